"""Estimated costs, each compared with what a real API server (1.36) refuses at."""

import pytest

from mnist_local.apiserver.schema.cel import Program
from mnist_local.apiserver.schema.cel.cost import estimate_cost
from mnist_local.apiserver.schema.cel.decl import declare
from mnist_local.apiserver.schema.cel.descriptors import describe
from mnist_local.apiserver.schema.cel.environment import checker, type_of
from mnist_local.apiserver.schema.cel.estimate import INFINITE
from mnist_local.apiserver.schema.parse import parse

INT = {"type": "integer"}


def text(most):
    return {"type": "string", "maxLength": most}


def items(most, of):
    return {"type": "array", "maxItems": most, "items": of}


ITEM = {
    "type": "object",
    "properties": {
        "s": text(100),
        "t": text(33),
        "i": INT,
        "n": {"type": "number"},
        "l": items(13, text(17)),
        "li": items(13, INT),
        "m": {"type": "object", "maxProperties": 7, "additionalProperties": text(19)},
        "o": {"type": "object", "properties": {"x": text(5)}},
        "lo": items(5, {"type": "object", "properties": {"x": text(5), "y": INT}}),
        "b": {**text(50), "format": "byte"},
        "d": {"type": "string", "format": "date-time"},
        "q": {"x-kubernetes-int-or-string": True, "maxLength": 9},
        "en": {"type": "string", "enum": ["a", "bbbb"]},
        "ll": items(4, items(6, INT)),
    },
}
COSTS = {
    "self.s == self.t": 18,
    "self.s.startsWith(self.t)": 18,
    "self.s.contains(self.t)": 564,
    "self.s.matches('^[a-z]+$')": 84,
    "self.s.size() > 3": 4,
    "self.i > 3 && self.n < 2.5": 6,
    "self.s in self.l": 17,
    "'a' in self.l": 15,
    "self.l.all(x, x.size() > 1)": 81,
    "self.l.exists(x, x == self.s)": 185,
    "self.l.map(x, x + 'abc').exists(y, y == 'q')": 352,
    "self.l.filter(x, x != 'a').size() > 1": 210,
    "self.m.all(k, self.m[k].size() < 4)": 66,
    "self.m.exists(k, k == 'a')": 38,
    "self.m.all(k, v, v.startsWith('a'))": 38,
    "self.lo.all(e, e.x == 'a' || e.y > 3)": 48,
    "self.lo.exists_one(e, has(e.x) && e.x.matches('a'))": 44,
    "self.lo.map(e, e.y).sum() > 3": 89,
    "self.l.isSorted() && self.li.isSorted()": 121,
    "self.li.sum() > 3 && self.li.max() > 2 && self.l.min() == 'a'": 139,
    "self.l.join(',').size() > 2": 94,
    "self.s.split(',').size() > 2": 84,
    "self.s.split(',', 3).all(x, x.size() > 1)": 101,
    "self.s.replace('a','bcd').size() > 3": 84,
    "self.s.lowerAscii().upperAscii().trim() == 'x'": 123,
    "self.s.substring(1,3) == 'ab'": 43,
    "self.s.indexOf('a') > 1": 43,
    "self.s.find('[a-z]+') == 'a'": 85,
    "self.s.findAll('[a-z]+').size() > 2": 86,
    "isQuantity(self.s) && quantity(self.s).isLessThan(quantity('1'))": 86,
    "url(self.s).getHost() == 'a'": 44,
    "isURL(self.s)": 3,
    "isIP(self.s) && ip(self.s).family() == 4": 86,
    "cidr(self.s).containsIP('1.2.3.4')": 47,
    "cidr(self.s).containsIP(ip(self.t))": 62,
    "isSemver(self.s) && semver(self.s).major() > 1": 86,
    "self.s + self.t == 'abc'": 59,
    "(self.l + ['a']).all(x, x.size() > 1)": 98,
    "self.i > 3 ? self.s == 'a' : self.t == 'abcdefghijklmnopqrstuvwxyz'": 8,
    "has(self.o.x) ? self.o.x.size() > 1 : true": 7,
    "self.?o.x.orValue('a') == 'b'": 4,
    "self.?s.hasValue()": 3,
    "self.o == self.o": 4,
    "self.lo == self.lo": 5,
    "self.b.size() > 3": 4,
    "self.d > timestamp('2020-01-01T00:00:00Z')": 4,
    "self.d.getFullYear() > 3": 4,
    "type(self.q) == int ? self.q < 5 : self.q.matches('a')": 10,
    "string(self.q) == 'a'": 7,
    "int(self.s) > 3": 4,
    "string(self.i) == 'a'": 4,
    "self.en == 'bbbb'": 3,
    "self.en.contains('bb')": 3,
    "self.ll.all(x, x.all(y, y > 1))": 143,
    "self.ll.map(x, x.size()).sum() > 2": 74,
    "self.ll[0][1] > 3": 5,
    "self.l[0].size() > 1": 5,
    "self.m['a'].size() > 1": 5,
    "sets.contains(self.l, ['a'])": 26,
    "sets.equivalent(self.l, self.l)": 343,
    "sets.intersects(self.li, [1,2,3])": 52,
    "self.l.sort().size() > 1 && self.li.distinct().size() > 1": 723,
    "self.li.slice(0,2).size() > 1": 17,
    "self.ll.flatten().size() > 2": 19,
    "lists.range(5).size() > 3": 18,
    "self.li.reverse().size() > 2": 28,
    "[1,2,3].all(x, x > 0) && {'a': 'b'}.all(k, k == 'a')": 61,
    "'%s %d'.format([self.s, self.i]) == 'a'": 16,
    "self.l.all(i, v, v.size() > i)": 94,
    "self.m.transformMap(k, v, v + 'a').size() > 1": 119,
    "self.m.transformList(k, v, k + v).exists(z, z == 'a')": 203,
    "self.lo.map(e, e.x).all(n, self.lo.filter(y, y.x == n).size() == 1)": 574,
    "self.s.charAt(1) == 'a'": 4,
    "self.l.exists(x, self.m.exists(k, k == x && self.m[k] == self.s))": 1914,
    "!(self.s in ['a','b','c'])": 16,
    "self.s < self.t": 18,
    "bytes(self.s).size() > 1": 44,
    "dyn(self.s) == 'a'": 4,
    "self.li.first().hasValue() && self.li.last().value() > 1": 9,
    "self.l.map(x, x.startsWith('a'), x + 'b').size() > 1": 301,
    "optional.of(self.s).value() == 'a'": 5,
    "self.o.?x.optMap(v, v.size() > 1).orValue(true)": 23,
    "self.?l[0].orValue('a') == 'b'": 5,
    "duration('1h') > duration('1s')": 3,
    "self.n > self.i": 5,
    "self.s.endsWith('abc') || self.t.startsWith(self.s)": 47,
    "uint(3) > 2u": 2,
    "double(self.i) > 1.5": 4,
    "size(self.s) > size(self.l)": 7,
    "ip.isCanonical(self.s)": 82,
    "self.s.lastIndexOf('a', 3) > 1": 43,
    "self.lo.all(e, self.lo.exists(f, f.y == e.y))": 233,
}


def cost(expression):
    decl = declare(parse(ITEM))
    pool = describe(decl)
    return estimate_cost(Program.compile(expression, checker({"self": type_of(decl)}, pool)).ast, decl)


@pytest.mark.parametrize("expression", COSTS)
def test_cost(expression):
    assert cost(expression) == COSTS[expression]


def test_costs_do_not_overflow():
    deep = "self.ll" + ".map(a, self.ll" * 6 + ".size()" + ")" * 6 + ".size() > 1"
    assert cost(deep) < INFINITE
