"""The family `yolo`: YOLOv8 by ultralytics' own trainer."""
