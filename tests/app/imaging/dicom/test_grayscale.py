"""What is seen of a DICOM image's stored values, through `decode`."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from pydicom import Dataset, Sequence
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from app.codes import WarningCode
from app.errors import UnreadableImageError
from app.imaging.decode import decode
from tests import synthetic
from tests.app.imaging.dicom.dicoms import dicom

CHEST = synthetic.chest(size=(240, 320))
DEEP = CHEST.astype(np.uint16) * 10 + 500  # 500 to at most 3,050 of 12 bits
SIGNED = (DEEP.astype(np.int16) - 1500).astype(np.int16)
TWELVE_BITS: dict[str, Any] = {"BitsStored": 12, "HighBit": 11}
WINDOW: dict[str, Any] = {"WindowCenter": 1500, "WindowWidth": 1000}


def shown(pixels: npt.NDArray[Any], **elements: Any) -> npt.NDArray[np.uint8]:
    return decode(dicom(pixels, **elements)).pixels


def windowed(center: float, width: float) -> npt.NDArray[np.uint8]:
    """`DEEP` in a linear window, as PS3.3 C.11.2.1.2.1 writes it."""
    share = (DEEP - (center - 0.5)) / (width - 1) + 0.5
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)


def robust(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The values from their 0.5th to their 99.5th percentile."""
    black, white = np.percentile(values, [0.5, 99.5], method="inverted_cdf")
    return np.rint(255 * np.clip((values - float(black)) / (white - float(black)), 0, 1)).astype(
        np.uint8
    )


def lut(
    table: npt.NDArray[np.integer[Any]], first: int, bits: int, order: str = "<", vr: str = "US"
) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", vr, [len(table), first, bits])
    item.add_new("LUTData", "OW", table.astype(f"{order}u2").tobytes())
    return Sequence([item])


def texts(**elements: str) -> dict[str, Any]:
    """Elements whose bytes are the texts, whatever their VR allows."""

    def write(dataset: Dataset) -> None:
        for keyword, value in elements.items():
            tag, data = Tag(keyword), value.encode() + b" " * (len(value) % 2)
            vr = "CS" if dictionary_VR(tag) == "CS" else "DS"
            dataset[tag] = RawDataElement(tag, vr, len(data), data, 0, False, True)

    return {"rewrite": write}


def palette(
    colours: npt.NDArray[Any], bits: int = 8, order: str = "<", first: int = 0
) -> dict[str, Any]:
    """The elements of a palette of `[entries, 3]`."""
    elements: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, entries in zip(("Red", "Green", "Blue"), colours.T, strict=True):
        descriptor = [len(entries), first, bits]
        elements[f"{name}PaletteColorLookupTableDescriptor"] = descriptor
        data = entries.astype(f"{order}u2" if bits == 16 else "u1").tobytes()
        elements[f"{name}PaletteColorLookupTableData"] = data
    return elements


def test_eight_bits_keep_every_pixel() -> None:
    np.testing.assert_array_equal(shown(CHEST), CHEST)


def test_eight_bits_keep_every_pixel_in_twice_the_room() -> None:
    found = shown(CHEST.astype(np.uint16), BitsStored=8, HighBit=7)
    np.testing.assert_array_equal(found, CHEST)


def test_signed_eight_bits() -> None:
    found = shown((CHEST.astype(np.int16) - 128).astype(np.int8))
    np.testing.assert_array_equal(found, CHEST)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_more_bits_are_stretched_without_a_window(syntax: Any) -> None:
    np.testing.assert_array_equal(shown(DEEP, syntax=syntax, **TWELVE_BITS), robust(DEEP))


def test_a_few_pixels_do_not_take_the_range() -> None:
    marked = DEEP.copy()
    marked[:10, :10] = 4095
    np.testing.assert_array_equal(shown(marked, **TWELVE_BITS), robust(marked))
    assert np.corrcoef(shown(marked, **TWELVE_BITS).ravel(), CHEST.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
def test_each_number_of_bits(bits: int, dtype: Any) -> None:
    lowest = -(2 ** (bits - 1)) if dtype == np.int16 else 0
    values = (CHEST.astype(np.int32) * 2 ** (bits - 8) + lowest).astype(dtype)
    stored = values & dtype(2**bits - 1) if bits < 16 else values  # what is above is not the value
    found = shown(stored, BitsStored=bits, HighBit=bits - 1)
    np.testing.assert_array_equal(found, robust(values))


def test_an_image_of_one_value_becomes_black() -> None:
    assert not shown(np.full((64, 64), 700, np.uint16)).any()


@pytest.mark.parametrize("bits", [8, 12])
def test_monochrome1_is_inverted(bits: int) -> None:
    pixels, elements = (255 - CHEST, {}) if bits == 8 else (4095 - DEEP, TWELVE_BITS | WINDOW)
    found = shown(pixels, PhotometricInterpretation="MONOCHROME1", **elements)
    expected = CHEST if bits == 8 else 255 - shown(pixels, **elements)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("center", "width"), [(1500, 1000), (2048, 4096)])
def test_a_window_is_applied_even_where_the_image_does_not_fill_it(center: int, width: int) -> None:
    found = shown(DEEP, WindowCenter=center, WindowWidth=width, **TWELVE_BITS)
    np.testing.assert_array_equal(found, windowed(center, width))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_window_of_signed_values(syntax: Any) -> None:
    found = shown(SIGNED, syntax=syntax, WindowCenter=0, WindowWidth=1000)
    np.testing.assert_array_equal(found, windowed(1500, 1000))


def test_a_window_of_a_function() -> None:
    found = shown(DEEP, VOILUTFunction="SIGMOID", **WINDOW)
    expected = 255 / (1 + np.exp(-4 * (DEEP - 1500.0) / 1000))
    np.testing.assert_array_equal(found, np.rint(expected))


def test_a_window_that_is_not_whole_is_none() -> None:
    np.testing.assert_array_equal(shown(DEEP, WindowCenter=9, WindowWidth=0), robust(DEEP))


def test_a_window_is_of_rescaled_values() -> None:
    rescaled: dict[str, Any] = {"RescaleSlope": 2, "RescaleIntercept": -1000}
    found = shown(DEEP, WindowCenter=2000.5, WindowWidth=1999, **rescaled)
    share = (DEEP * 2.0 - 1000 - 2000) / 1998 + 0.5
    np.testing.assert_array_equal(found, np.rint(255 * np.clip(share, 0, 1)))


def test_a_slope_of_0_is_none() -> None:
    np.testing.assert_array_equal(shown(DEEP, RescaleSlope=0, **WINDOW), windowed(1500, 1000))


@pytest.mark.parametrize("window", [{}, {"WindowCenter": 2048, "WindowWidth": 4096}])
def test_a_falling_rescale_inverts(window: dict[str, Any]) -> None:
    found = shown(DEEP, RescaleSlope=-1, RescaleIntercept=4095, **window, **TWELVE_BITS)
    assert np.corrcoef(found.ravel(), CHEST.ravel())[0, 1] < -0.99


def test_a_modality_lut_is_applied_before_a_window() -> None:
    table = np.arange(4096)[::-1]
    found = shown(DEEP, ModalityLUTSequence=lut(table, 0, 16), **WINDOW)
    share = (4095.0 - DEEP - 1499.5) / 999 + 0.5
    np.testing.assert_array_equal(found, np.rint(255 * np.clip(share, 0, 1)))


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize(
    ("syntax", "order"), [(ExplicitVRLittleEndian, "<"), (ExplicitVRBigEndian, ">")]
)
def test_a_voi_lut_is_applied_before_a_window(bits: int, syntax: Any, order: str) -> None:
    table = np.rint(np.linspace(0, 1, 2000) ** 2 * (2**bits - 1)).astype(np.uint16)
    found = shown(DEEP, syntax=syntax, VOILUTSequence=lut(table, 600, bits, order), **WINDOW)
    looked_up = table[np.clip(DEEP.astype(int) - 600, 0, 1999)]
    np.testing.assert_array_equal(found, np.rint(looked_up * (255 / (2**bits - 1))))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_voi_lut_of_signed_values(syntax: Any) -> None:
    table = np.rint(np.linspace(0, 1, 2000) ** 2 * 4095).astype(np.uint16)
    found = shown(SIGNED, syntax=syntax, VOILUTSequence=lut(table, -900, 12, vr="SS"))
    looked_up = table[np.clip(DEEP.astype(int) - 600, 0, 1999)]
    np.testing.assert_array_equal(found, np.rint(looked_up * (255 / 4095)))


@pytest.mark.parametrize("bits", [0, 8, 10, 12, 16])
def test_a_voi_lut_is_scaled_to_what_its_entries_are(bits: int) -> None:
    table = np.rint(np.linspace(0, 1, 4096) ** 2 * 4095).astype(np.uint16)
    found = shown(DEEP, VOILUTSequence=lut(table, 0, bits), **TWELVE_BITS)
    np.testing.assert_array_equal(found, np.rint(table[DEEP] * (255 / 4095)))


def test_entries_that_a_lut_lacks_do_not_halve_the_others() -> None:
    table = np.rint(np.linspace(0, 1, 4096) ** 2 * 4095).astype(np.uint16)
    short = lut(table, 0, 12)
    short[0].LUTData = short[0].LUTData[:-2]
    found = shown(DEEP, VOILUTSequence=short, **TWELVE_BITS)
    np.testing.assert_array_equal(found, shown(DEEP, VOILUTSequence=lut(table, 0, 12)))
    modality = shown(DEEP, ModalityLUTSequence=short, **WINDOW)
    np.testing.assert_array_equal(
        modality, shown(DEEP, ModalityLUTSequence=lut(table, 0, 12), **WINDOW)
    )


@pytest.mark.parametrize("keyword", ["ModalityLUTSequence", "VOILUTSequence"])
def test_a_lut_without_a_table_leaves_the_rescaling_and_the_window(keyword: str) -> None:
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 16]
    rescaled: dict[str, Any] = {"RescaleSlope": 2, "RescaleIntercept": 5}
    found = shown(DEEP, **{keyword: Sequence([item])}, **rescaled, **WINDOW)
    np.testing.assert_array_equal(found, shown(DEEP, **rescaled, **WINDOW))


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("RescaleSlope", "NaN"),
        ("RescaleSlope", "N/A"),
        ("RescaleSlope", "1\\2"),
        ("RescaleSlope", "1,0"),
        ("RescaleIntercept", "inf"),
        ("RescaleIntercept", "none"),
        ("PixelPaddingValue", "60000\\1"),
        ("VOILUTFunction", " linear"),
        ("VOILUTFunction", "LINEAR\\SIGMOID"),
        ("PhotometricInterpretation", "Monochrome2 "),
        ("PhotometricInterpretation", "MONOCHROME2\\RGB"),
        ("NumberOfFrames", "one"),
        ("NumberOfFrames", "1.0"),
        ("HighBit", "15\\15"),
        ("PresentationLUTShape", "identity"),
        ("PresentationLUTShape", "LIN OD"),
    ],
)
def test_optional_attributes_that_cannot_be_read_count_as_absent(keyword: str, value: str) -> None:
    found = shown(DEEP, **WINDOW | texts(**{keyword: value}))
    np.testing.assert_array_equal(found, windowed(1500, 1000))


@pytest.mark.parametrize(
    ("center", "width"),
    [("AUTO", "1000"), ("1500 HU", "1000"), ("1500", "wide"), ("\\1500", "\\1000")],
)
def test_a_window_that_cannot_be_read_is_none(center: str, width: str) -> None:
    found = shown(DEEP, **texts(WindowCenter=center, WindowWidth=width))
    np.testing.assert_array_equal(found, robust(DEEP))


@pytest.mark.parametrize(
    ("center", "width"), [("1500,0", "1000,0"), ("1500\\AUTO", "1000\\5"), (" 1500", "1.0E3")]
)
def test_a_window_that_can_be_read_all_the_same(center: str, width: str) -> None:
    found = shown(DEEP, **texts(WindowCenter=center, WindowWidth=width))
    np.testing.assert_array_equal(found, windowed(1500, 1000))


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize(
    ("photometric", "shape", "inverted", "contradicts"),
    [
        ("MONOCHROME1", None, True, False),
        ("MONOCHROME1", "INVERSE", True, False),
        ("MONOCHROME1", "IDENTITY", False, True),
        ("MONOCHROME2", "IDENTITY", False, False),
        ("MONOCHROME2", "INVERSE", True, True),
        ("MONOCHROME2", "LIN OD", False, False),
    ],
)
def test_the_presentation_lut_shape_has_the_last_word(
    photometric: str, shape: str | None, inverted: bool, contradicts: bool, bits: int
) -> None:
    pixels, elements = (CHEST, {}) if bits == 8 else (DEEP, TWELVE_BITS | WINDOW)
    said: dict[str, Any] = {"PhotometricInterpretation": photometric, "PresentationLUTShape": shape}
    radiograph = decode(dicom(pixels, **said, **elements))
    plain = shown(pixels, **elements)
    np.testing.assert_array_equal(radiograph.pixels, 255 - plain if inverted else plain)
    assert radiograph.warnings == ((WarningCode.CONTRADICTING_POLARITY,) if contradicts else ())


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize(
    ("deep", "value", "limit"), [(DEEP, 4095, None), (DEEP, 4095, 4000), (SIGNED, -2000, -2100)]
)
def test_padding_is_black_and_left_out_of_the_window(
    deep: Any, value: int, limit: int | None, syntax: Any, photometric: str
) -> None:
    padded = deep.copy()
    padded[:, :100] = value
    if limit is not None:
        padded[:, :20] = limit
    found = shown(
        padded,
        syntax=syntax,
        PhotometricInterpretation=photometric,
        PixelPaddingValue=value,
        PixelPaddingRangeLimit=limit,
    )
    assert not found[:, :100].any()
    expected = robust(deep[:, 100:])
    if photometric == "MONOCHROME1":
        expected = 255 - expected
    np.testing.assert_array_equal(found[:, 100:], expected)


def test_an_image_of_padding_is_black() -> None:
    assert not shown(np.full((64, 64), 9, np.uint16), PixelPaddingValue=9).any()


COLOURS = np.stack([CHEST, CHEST // 2, 255 - CHEST], axis=-1)


@pytest.mark.parametrize("planar", [0, 1])
def test_colour_becomes_luma_as_in_other_files(planar: int) -> None:
    stored = COLOURS if planar == 0 else np.ascontiguousarray(COLOURS.transpose(2, 0, 1))
    found = shown(COLOURS, PlanarConfiguration=planar, PixelData=stored.tobytes())
    np.testing.assert_array_equal(found, np.asarray(Image.fromarray(COLOURS).convert("L")))


def test_of_luma_and_chroma_the_luma_is_shown() -> None:
    found = shown(COLOURS, PhotometricInterpretation="YBR_FULL")
    np.testing.assert_array_equal(found, CHEST)


def test_chroma_may_be_subsampled() -> None:
    pairs = CHEST.reshape(-1, 2)
    stored = np.concatenate([pairs, np.full_like(pairs, 128)], axis=1)  # Y Y Cb Cr
    found = shown(COLOURS, PhotometricInterpretation="YBR_FULL_422", PixelData=stored.tobytes())
    np.testing.assert_array_equal(found, CHEST)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("syntax", "order"), [(ExplicitVRLittleEndian, "<"), (ExplicitVRBigEndian, ">")]
)
def test_a_palette_becomes_luma(bits: int, syntax: Any, order: str) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (256, 3))
    elements = palette(colours * 257 if bits == 16 else colours, bits, order)
    found = shown(CHEST, syntax=syntax, **elements)
    expected = Image.fromarray(colours.astype(np.uint8)[CHEST]).convert("L")
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_a_palette_of_8_bits_in_16() -> None:
    grays = np.repeat(np.arange(256)[:, None], 3, axis=1)
    found = shown(CHEST, **palette(grays, 16))
    np.testing.assert_array_equal(found, CHEST)


def test_a_padding_value_read_with_the_wrong_sign() -> None:
    padded = SIGNED.copy()
    padded[:, :100] = -2000

    def write(dataset: Dataset) -> None:
        dataset.add_new("PixelPaddingValue", "US", 2**16 - 2000)

    found = decode(dicom(padded, rewrite=write)).pixels
    assert not found[:, :100].any()
    np.testing.assert_array_equal(found[:, 100:], robust(SIGNED[:, 100:]))


def test_a_palette_of_more_than_256_colours() -> None:
    grays = np.repeat(np.arange(4096)[:, None] * 16, 3, axis=1)
    found = shown(DEEP, **palette(grays, 16))
    np.testing.assert_array_equal(found, DEEP >> 4)


def test_colours_of_more_than_8_bits_are_refused() -> None:
    with pytest.raises(UnreadableImageError, match="colours of more than 8 bits"):
        shown(COLOURS.astype(np.uint16))


@pytest.mark.parametrize("missing", ["RedPaletteColorLookupTableData"])
def test_a_palette_that_is_missing_is_refused(missing: str) -> None:
    elements = palette(np.zeros((256, 3), np.uint8)) | {missing: None}
    with pytest.raises(UnreadableImageError, match="palette is missing or segmented"):
        shown(CHEST, **elements)


def test_values_beyond_float64_are_refused() -> None:
    with pytest.raises(UnreadableImageError, match="broken"):
        shown(DEEP, RescaleSlope=1e308)
