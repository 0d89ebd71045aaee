import pytest

from mnist_local.apiserver.schema import formats

CASES = {
    "bsonobjectid": (["507f1f77bcf86cd799439011"], ["x"]),
    "uri": (["http://a/b", "/x", "mailto:a@b"], ["a b", "foo", "http://a:b/"]),
    "email": (["a@b.c", "A <a@b.c>"], ["a", "@b"]),
    "hostname": (["example.com", "1.example", "a-"], ["a_b", "-a", "a..b", "x.c", "ab-c"]),
    "ipv4": (["1.2.3.4", "01.2.3.4"], ["1.2.3", "::1", "256.1.1.1", "1.2.3.4/8"]),
    "ipv6": (["::1", "::ffff:1.2.3.4"], ["1.2.3.4", "fe80::1%eth0"]),
    "cidr": (["1.2.3.4/8", "::/0"], ["1.2.3.4", "1.2.3.0/33"]),
    "mac": (["00:11:22:33:44:55", "0011.2233.4455", "001122334455"], ["x"]),
    "uuid": (["123e4567-e89b-12d3-a456-426614174000"], ["x"]),
    "uuid4": (["123e4567-e89b-42d3-a456-426614174000"], ["123e4567-e89b-12d3-a456-426614174000"]),
    "isbn": (["0321751043", "978-0321751041"], ["0321751044", "x"]),
    "creditcard": (["4111 1111 1111 1111"], ["4111111111111112", "x"]),
    "hexcolor": (["#fff", "ffffff"], ["#ggg", "#ffff"]),
    "rgbcolor": (["rgb(1,2,3)"], ["rgb(256,0,0)"]),
    "byte": (["YWJj"], ["YWJ", ""]),
    "date": (["2020-01-02"], ["2020-13-01", "2020-1-2"]),
    "date-time": (["2020-01-02T03:04:05Z", "2020-01-02t03:04:05.5+01:00"], ["2020-01-02T24:00:00Z", "2020-01-02"]),
    "duration": (["1h30m", "2 days", "0"], ["x", "1"]),
    "k8s-short-name": (["a-b"], ["A", "a.b", "a" * 64]),
    "k8s-long-name": (["a.b"], ["a..b", "A.b"]),
    "password": (["anything"], []),
}


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, (good, _) in CASES.items() for t in good])
def test_accepted(name, text):
    assert formats.accepts(name, text)


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, (_, bad) in CASES.items() for t in bad])
def test_refused(name, text):
    assert not formats.accepts(name, text)


def test_only_known_formats_of_the_type_are_enforced():
    assert formats.effective("string", "made-up") == ""
    assert formats.effective("string", "int32") == ""
    assert formats.effective("integer", "int32") == "int32"
    assert formats.effective("number", "int32") == ""
