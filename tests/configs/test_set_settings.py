"""The column `settings` of a row is a typed record; its text is what it always was."""

import json
from dataclasses import FrozenInstanceError

import pytest

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import StoreError
from flawcast.configs.set_settings import SetMasks, SetSettings
from flawcast.configs.settings import GenerateSettings, Transfer

DRAWN = SetMasks("drawn", "drawn-0123456789abcdef")
GENERATE = [
    GenerateSettings(),
    GenerateSettings(past=4, transfer=Transfer(mode="absolute"), temperature=0.5),
    GenerateSettings(precision="int8", seed=3),
]


@pytest.mark.parametrize("generate", GENERATE)
@pytest.mark.parametrize("masks", [None, DRAWN])
def test_the_text_is_that_of_before(generate: GenerateSettings, masks: SetMasks | None) -> None:
    about = {
        "generate": generate.model_dump(mode="json"),
        "clips": ClipSettings(size=32).model_dump(mode="json"),
        "source_split": "train",
    }
    if masks is not None:
        about["masks"] = {"kind": masks.kind, "id": masks.id}
    text = json.dumps(about, sort_keys=True)
    found = SetSettings.parse(text)
    assert found == SetSettings(generate, ClipSettings(size=32), "train", masks)
    assert found.to_json() == text
    assert found.generate is not None
    said = found.generate.model_dump(mode="json", exclude_unset=True)
    assert said == json.loads(text)["generate"]  # what the set's id is a hash of


def test_the_record_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        SetSettings().source_split = "test"  # type: ignore[misc]


@pytest.mark.parametrize("text", ["{}", "[]", "3", '"drawn"', '{"seed": 7}', '{"masks": null}'])
def test_rows_of_others_say_nothing(text: str) -> None:
    assert SetSettings.parse(text) == SetSettings()


def test_what_is_not_known_does_not_hide_the_rest() -> None:
    text = (
        '{"generate": {"mood": 1}, "clips": 3, "source_split": "test", "masks": {"kind": "motion"}}'
    )
    found = SetSettings.parse(text)
    assert found == SetSettings(source_split="test", masks=SetMasks("motion"))
    assert found.mask_kind == "motion"


@pytest.mark.parametrize("text", ["", "{", '{"masks": 3}', '{"masks": {"id": "x"}}', None, ["{}"]])
def test_what_is_no_json_or_hides_its_masks_is_refused(text: str) -> None:
    with pytest.raises(StoreError, match="settings: "):
        SetSettings.parse(text)
