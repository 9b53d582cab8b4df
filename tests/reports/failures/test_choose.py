"""Which pictures are chosen, and why."""

from bench.reports.failures.choose import RANDOM_SHARE, choose

BOX = [10, 10, 40, 40]
AWAY = [100, 70, 20, 20]
IMAGES = 60


def everywhere(*images_without):
    """An object in every image, found in all but some."""
    return [(image, 0, BOX, 0.9) for image in range(1, IMAGES + 1) if image not in images_without]


def test_each_question_has_its_picture(errors):
    found = errors(
        {
            "a": [*everywhere(3, 7), (11, 0, AWAY, 0.99), (12, 0, AWAY, 0.5), (13, 1, BOX, 0.8)],
            "b": everywhere(3, 9),
        },
        [(image, 0, BOX, False) for image in range(1, IMAGES + 1)],
        images=IMAGES,
    )
    why = {choice.image_id: choice.why for choice in choose(found, 20)}
    assert why[3] == "missed by every model"
    assert why[7] == "found by one model alone"
    assert why[9] == "found by one model alone (drawn at random)"
    assert why[13] == "most errors of one kind: wrong class"
    assert why[11] == "most errors of one kind: nothing there"
    assert {3, 7, 9, 11, 12, 13} <= set(why), "every picture with an error has room"
    assert sum("drawn at random" in reason for reason in why.values()) == 20 // RANDOM_SHARE


def test_the_most_confident_false_alarm_is_seen_however_lonely(errors):
    false = [(image, 0, AWAY, 0.5) for image in range(1, IMAGES) for _ in range(2)]
    found = errors({"a": [*false, (IMAGES, 0, AWAY, 0.99)]}, [], images=IMAGES)
    why = {choice.image_id: choice.why for choice in choose(found, 8)}
    assert why[IMAGES].startswith("most confident false alarm")


def test_most_errors_first_and_never_too_many(errors):
    annotations = [(image, 0, BOX, False) for image in range(1, IMAGES + 1)]
    annotations += [(5, 0, AWAY, False), (5, 0, [60, 10, 20, 20], False), (8, 0, AWAY, False)]
    found = errors({"a": []}, annotations, images=IMAGES)
    chosen = [choice.image_id for choice in choose(found, 10)]
    assert len(chosen) == 10 == len(set(chosen))
    assert chosen[:2] == [5, 8]
    assert chosen == [choice.image_id for choice in choose(found, 10)], "the same every time"
    assert len(choose(found, 1000)) == IMAGES


def test_without_errors_only_the_ordinary_are_shown(errors):
    found = errors(
        {"a": everywhere()}, [(image, 0, BOX, False) for image in range(1, IMAGES + 1)], images=IMAGES
    )
    chosen = choose(found, 20)
    assert len(chosen) == 20 // RANDOM_SHARE
    assert {choice.why for choice in chosen} == {"drawn at random"}


def test_one_model_alone_is_no_reason_where_there_is_one_model(errors):
    found = errors({"a": everywhere(3)}, [(image, 0, BOX, False) for image in range(1, 9)], images=IMAGES)
    assert not any(choice.why == "found by one model alone" for choice in choose(found, 20))
    assert not found.found_by_one.any()
