import pytest

from mnist_local.apiserver.schema.cel import CelError, CompileError, Program

OBJECT = {"name": "x", "n": 1, "l": [3, 1], "m": {"a": 1}}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("object.n + 1", 2),
        ("object.n > 0.5", True),
        ("size(object.l)", 2),
        ("object.l.map(x, x * 2)", [6, 2]),
        ("object.m.all(k, v, v > 0)", True),
        ("oldObject == null", True),
        ("has(object.missing)", False),
        ("object.?missing.orValue('d')", "d"),
        ("'a,b'.split(',')", ["a", "b"]),
        ("sets.contains([1, 2], [1])", True),
        ("quantity('1Gi') == quantity('1024Mi')", True),
        ("quantity('1').add(quantity('500m')).asApproximateFloat()", 1.5),
        ("quantity('50k').sub(20).asInteger()", 49980),
        ("sign(quantity('-3m'))", -1),
        ("semver('1.10.0').isGreaterThan(semver('1.9.0'))", True),
        ("semver('1.0.0-rc.1').isLessThan(semver('1.0.0'))", True),
        ("semver('v1.2', true).minor()", 2),
        ("url('https://h:80/p?a=b').getHostname()", "h"),
        ("url('https://h:80/p?a=b').getQuery()", {"a": ["b"]}),
        ("ip('::1').isLoopback()", True),
        ("ip.isCanonical('127.0.0.1')", True),
        ("cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')", True),
        ("cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')", True),
        ("'a1b2'.findAll('[0-9]')", ["1", "2"]),
        ("[duration('1s'), duration('2s')].sum() == duration('3s')", True),
        ("[2, 1].min()", 1),
        ("['b', 'a'].max()", "b"),
    ],
)
def test_values(expression, value):
    program = Program.compile(expression)
    assert program.evaluate({"object": OBJECT, "oldObject": None}) == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("object.missing", "no such key: missing"),
        ("object.l[7]", "index out of bounds: 7"),
        ("object.n + object.name", "no such overload"),
        ("1 / (object.n - 1)", "division by zero"),
        ("9223372036854775807 + object.n", "integer overflow"),
        ("request.x", "no such attribute(s): request"),
        ("quantity(object.name)", "quantities must match the regular expression"),
    ],
)
def test_runtime_errors_in_the_words_of_cel_go(expression, message):
    with pytest.raises(CelError) as failed:
        Program.compile(expression).evaluate({"object": OBJECT})
    assert str(failed.value).startswith(message)


def test_errors_are_absorbed_by_or():
    assert Program.compile("object.missing || true").evaluate({"object": OBJECT}) is True


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("undeclared", "ERROR: <input>:1:1: undeclared reference to 'undeclared' (in container '')"),
        ("size(object) == 'x'", "found no matching overload for '_==_' applied to '(int, string)'"),
        ("quantity(1)", "found no matching overload for 'quantity' applied to '(int)'"),
        ("object.", "Syntax error"),
    ],
)
def test_compile_errors(expression, message):
    with pytest.raises(CompileError) as refused:
        Program.compile(expression)
    assert message in str(refused.value)


def test_a_program_says_what_it_is():
    program = Program.compile("object.n > 1 && !has(oldObject.n)")
    assert program.result_type == "BOOL"
    assert program.uses("oldObject")
    assert not program.uses("request")


def test_programs_can_share_an_activation():
    first, second = Program.compile("object.n"), Program.compile("object.name")
    activation = first.activation({"object": OBJECT})
    assert (first.evaluate(activation), second.evaluate(activation)) == (1, "x")


ONLY_TRAINING_CHANGES = (
    "(object.?status.orValue({})).all(k, k == 'training' || k in variables.old && object.status[k] == variables.old[k])"
    " && variables.old.all(k, k == 'training' || k in object.status)"
)


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [
        ({"phase": "Running"}, {"phase": "Running", "training": {"epoch": 1}}, True),
        ({"phase": "Running", "training": {"epoch": 1}}, {"phase": "Running"}, True),
        ({"phase": "Running"}, {"phase": "Succeeded"}, False),
        ({"phase": "Running"}, {"training": {}}, False),
        ({"phase": "Running"}, {"phase": "Running", "message": "x"}, False),
    ],
)
def test_an_admission_policy(old, new, allowed):
    composed = Program.compile("has(oldObject.status) ? oldObject.status : {}")
    objects = {"object": {"status": new}, "oldObject": {"status": old}}
    variables = {"old": composed.evaluate(objects)}
    policy = Program.compile(ONLY_TRAINING_CHANGES)
    assert policy.result_type == "BOOL"
    assert policy.evaluate({**objects, "variables": variables}) is allowed


def test_an_admission_policy_sees_the_request():
    program = Program.compile(
        "request.userInfo.username.startsWith('system:serviceaccount:') && 'a' in request.userInfo.groups"
    )
    user = {"username": "system:serviceaccount:x:y", "groups": ["a"]}
    assert program.evaluate({"request": {"userInfo": user}}) is True
