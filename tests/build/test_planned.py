"""A line of the plan comes back as the image that it was written from."""

from hypothesis import given
from hypothesis import strategies as st

from imgmem.core.build.planned import PlannedImage, planned_images
from imgmem.core.sources.tars import TarSlice

names = st.binary(min_size=1).map(lambda name: name.decode("utf-8", "surrogateescape"))
numbers = st.integers(0, 2**63 - 1)
locators = st.lists(numbers | names).map(tuple) | st.builds(TarSlice, numbers, numbers)
images = st.builds(
    PlannedImage, names, numbers, numbers, st.integers(-1, 10**6), st.integers(0, 9),
    locators, st.lists(names).map(tuple),
)  # fmt: skip


@given(images)
def test_a_line_gives_back_its_image(image):
    assert PlannedImage.from_line(image.to_line()) == image


@given(st.lists(images))
def test_each_line_is_one_line_and_several_are_decoded_in_their_order(images):
    lines = [image.to_line() for image in images]

    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
    assert planned_images(lines) == images
