import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.store import S3Address

segments = st.text(
    st.characters(exclude_characters="/\\\x7f", exclude_categories=("Cs", "Cc")), min_size=1, max_size=20
).filter(lambda s: s not in (".", "..") and s == s.strip())


@pytest.mark.parametrize(
    ("text", "bucket", "key"),
    [
        ("s3://datasets", "datasets", ""),
        ("s3://datasets/", "datasets", ""),
        ("s3://datasets/mnist/", "datasets", "mnist"),
        ("S3://a.b-c/x/y z", "a.b-c", "x/y z"),
    ],
)
def test_parse(text: str, bucket: str, key: str) -> None:
    assert S3Address.parse(text) == S3Address(bucket, key)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must look like s3://"),
        ("datasets/mnist", "must look like s3://"),
        ("http://datasets/mnist", "must look like s3://"),
        ("s3:/datasets", "must look like s3://"),
        ("s3://", "bucket is missing"),
        ("s3:///mnist", "bucket is missing"),
        ("s3://ab", "3 to 63"),
        ("s3://" + "a" * 64, "3 to 63"),
        ("s3://Datasets", "not a bucket name"),
        ("s3://data_sets", "not a bucket name"),
        ("s3://-data", "not a bucket name"),
        ("s3://a..b", "not a bucket name"),
        ("s3://10.0.0.1/x", "not a bucket name"),
        ("s3://user:pw@host/x", "not a bucket name"),
        ("s3://datasets//mnist", "empty segment"),
        ("s3://datasets/a/../b", "'..'"),
        ("s3://datasets/a\nb", "control character"),
        ("s3://datasets/" + "a" * 1025, "1024 bytes"),
    ],
)
def test_malformed(text: str, problem: str) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        S3Address.parse(text)
    assert problem in caught.value.message
    assert "\n" not in caught.value.message


@given(st.lists(segments, max_size=5))
def test_text_and_address_are_the_same(parts: list[str]) -> None:
    address = S3Address("datasets", "/".join(parts))
    assert S3Address.parse(str(address)) == address


@given(st.lists(segments, min_size=1, max_size=4))
def test_child_extends_the_key(parts: list[str]) -> None:
    address = S3Address("models", "runs").child("/".join(parts))
    assert str(address) == "s3://models/runs/" + "/".join(parts)
    assert address.name == parts[-1]


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_one_clear_line(text: str) -> None:
    said = ""
    try:
        S3Address.parse(text)
    except InvalidConfigError as error:
        said = error.message
    assert "\n" not in said


@pytest.mark.parametrize("name", ["", "/x", "x/", "..", "a\x00b"])
def test_child_is_checked(name: str) -> None:
    with pytest.raises(InvalidConfigError):
        S3Address("models").child(name)
