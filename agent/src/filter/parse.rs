//! The grammar of `mod.rs`, by recursive descent, negations moved to the comparisons on the way.

use std::ops::Range;

use super::error::{FilterError, Problem};
use super::field::{self, Target, Values};
use super::lex::{KEYWORDS, Lexer, Literal};
use super::literal;
use super::operator::{OPERATORS, Operator, allowed, goes};
use super::plan::{Leaf, Node};
use super::test::Test;
use super::{COMPARISONS_MAX, DEPTH_MAX, EXPRESSIONS_MAX, TEXT_MAX_BYTES};

/// A filter as it was read.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) root: Node,
    pub(super) leaves: Vec<Leaf>,
}

/// Reads `text`.
pub(super) fn parse(text: &str) -> Result<Parsed, FilterError> {
    let mut parser = Parser::new(text)?;
    if parser.lex.rest().is_empty() {
        return Err(parser.lex.error(Problem::Empty, 0..0));
    }
    let root = parser.any(false)?;
    if !parser.lex.rest().is_empty() {
        return Err(parser.lex.expected("`and`, `or` or the end"));
    }
    Ok(Parsed {
        root,
        leaves: parser.leaves,
    })
}

/// Most fields that are named at once.
const PATHS_MAX: usize = 64;

/// Reads paths with commas between, and where each stands.
pub(super) fn paths(text: &str) -> Result<Vec<(Target, Range<usize>)>, FilterError> {
    let mut parser = Parser::new(text)?;
    let mut paths = vec![parser.path()?];
    while parser.lex.mark(",") {
        paths.push(parser.path()?);
        if paths.len() > PATHS_MAX {
            let expected = format!("at most {PATHS_MAX} fields");
            return Err(parser.lex.error(Problem::Expected { expected }, 0..0));
        }
    }
    if !parser.lex.rest().is_empty() {
        return Err(parser.lex.expected("`,` or the end"));
    }
    Ok(paths)
}

struct Parser<'t> {
    lex: Lexer<'t>,
    depth: usize,
    expressions: usize,
    leaves: Vec<Leaf>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Result<Self, FilterError> {
        let parser = Self {
            lex: Lexer::new(text),
            depth: 0,
            expressions: 0,
            leaves: Vec::new(),
        };
        if text.len() > TEXT_MAX_BYTES {
            let max = TEXT_MAX_BYTES;
            return Err(parser.lex.error(Problem::TooLong { max }, 0..0));
        }
        Ok(parser)
    }

    fn deeper(&mut self, from: usize) -> Result<(), FilterError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let max = DEPTH_MAX;
            return Err(self.lex.error(Problem::TooDeep { max }, from..from + 1));
        }
        Ok(())
    }

    fn any(&mut self, negated: bool) -> Result<Node, FilterError> {
        let mut nodes = vec![self.all(negated)?];
        while self.lex.keyword("or") {
            nodes.push(self.all(negated)?);
        }
        Ok(joined(nodes, negated))
    }

    fn all(&mut self, negated: bool) -> Result<Node, FilterError> {
        let mut nodes = vec![self.unary(negated)?];
        while self.lex.keyword("and") {
            nodes.push(self.unary(negated)?);
        }
        Ok(joined(nodes, !negated))
    }

    fn unary(&mut self, negated: bool) -> Result<Node, FilterError> {
        let from = self.lex.at;
        if self.lex.keyword("not") {
            self.deeper(from)?;
            let node = self.unary(!negated)?;
            self.depth -= 1;
            return Ok(node);
        }
        if self.lex.mark("(") {
            self.deeper(from)?;
            let node = self.any(negated)?;
            self.depth -= 1;
            if !self.lex.mark(")") {
                return Err(self.lex.expected("`and`, `or` or `)`"));
            }
            return Ok(node);
        }
        if self.lex.keyword("exists") {
            let inside = self.lex.mark("(");
            let (target, place) = self.path()?;
            if inside && !self.lex.mark(")") {
                return Err(self.lex.expected("`)`"));
            }
            return self.leaf(target, Test::Exists, negated, place);
        }
        let (target, place) = self.path()?;
        self.comparison(target, place, negated)
    }

    /// Takes the path of a field.
    fn path(&mut self) -> Result<(Target, Range<usize>), FilterError> {
        let from = self.lex.at;
        let first = self.lex.word();
        let begins = first.starts_with(|c: char| c.is_ascii_alphabetic());
        if !begins || KEYWORDS.contains(&first) {
            return Err(self.lex.expected("a field, `not`, `exists` or `(`"));
        }
        let mut names = vec![first.to_owned()];
        self.lex.at += first.len();
        loop {
            if self.lex.rest().starts_with('.') {
                self.lex.at += 1;
                let name = self.lex.word();
                if name.is_empty() {
                    return Err(self.lex.expected("the name of a field"));
                }
                names.push(name.to_owned());
                self.lex.at += name.len();
            } else if self.lex.rest().starts_with('[') {
                self.lex.mark("[");
                let Some(name) = self.lex.quoted()? else {
                    return Err(self
                        .lex
                        .expected("a name in quotes, as in headers[\"x-id\"]"));
                };
                names.push(name.text.into_owned());
                if !self.lex.rest().starts_with(']') {
                    return Err(self.lex.expected("`]`"));
                }
                self.lex.at += 1;
            } else {
                break;
            }
        }
        let place = from..self.lex.at;
        self.lex.space();
        match field::resolve(&names) {
            Ok(target) => Ok((target, place)),
            Err(problem) => Err(self.lex.error(problem, place)),
        }
    }

    /// Takes what follows a path.
    fn comparison(
        &mut self,
        target: Target,
        place: Range<usize>,
        negated: bool,
    ) -> Result<Node, FilterError> {
        let from = self.lex.at;
        let Some((operator, unequal)) = self.operator() else {
            if target.values == Some(Values::Bool) {
                return self.leaf(target, Test::Bool(true), negated, place);
            }
            return Err(match target.values {
                None => self.lex.error(mapping(&target), place),
                Some(values) => self
                    .lex
                    .expected(&format!("one of {}", allowed(values, target.list))),
            });
        };
        let written = self.lex.text.get(from..self.lex.at).unwrap_or_default();
        let written = written.trim_end();
        let values = match target.values {
            None => return Err(self.lex.error(mapping(&target), place)),
            Some(values) if !goes(operator, values, target.list) => {
                let problem = Problem::Operator {
                    operator: written.to_owned(),
                    path: target.name(),
                    what: if target.list { "a list" } else { values.what() },
                    allowed: allowed(values, target.list),
                };
                return Err(self.lex.error(problem, from..from + written.len()));
            }
            Some(values) => values,
        };
        let literals = self.literals(&target, operator)?;
        if operator == Operator::Matches {
            self.expressions += 1;
            if self.expressions > EXPRESSIONS_MAX {
                let max = EXPRESSIONS_MAX;
                return Err(self.lex.error(Problem::TooManyExpressions { max }, place));
            }
        }
        match literal::test(&target, values, operator, &literals) {
            Ok(test) => self.leaf(target, test, negated != unequal, place),
            Err((problem, at)) => {
                let place = literals
                    .get(at)
                    .map_or(place, |literal| literal.place.clone());
                Err(self.lex.error(problem, place))
            }
        }
    }

    /// Takes an operator, and says whether it is the negation of one.
    fn operator(&mut self) -> Option<(Operator, bool)> {
        if let Some((_, operator, unequal)) =
            OPERATORS.iter().find(|(mark, ..)| self.lex.mark(mark))
        {
            return Some((*operator, *unequal));
        }
        let from = self.lex.at;
        let unequal = self.lex.keyword("not");
        if self.lex.keyword("in") {
            return Some((Operator::In, unequal));
        }
        if self.lex.keyword("contains") {
            return Some((Operator::Contains, unequal));
        }
        self.lex.at = from;
        None
    }

    /// Takes a value, or a list of them.
    fn literals(
        &mut self,
        target: &Target,
        operator: Operator,
    ) -> Result<Vec<Literal<'t>>, FilterError> {
        if !self.lex.rest().starts_with('[') {
            let literal = self.lex.literal()?;
            let network = target.values == Some(Values::Address) && literal.text.contains('/');
            if operator == Operator::Equal && network && !literal.text.starts_with(['/', '@']) {
                let problem = Problem::Value {
                    value: literal.text.into_owned(),
                    path: target.name(),
                    allowed: "one address, or a network with `in`".to_owned(),
                };
                return Err(self.lex.error(problem, literal.place));
            }
            return Ok(vec![literal]);
        }
        if operator != Operator::In {
            let path = target.name();
            return Err(self
                .lex
                .error(Problem::List { path }, self.lex.at..self.lex.at + 1));
        }
        self.lex.mark("[");
        let mut literals = vec![self.lex.literal()?];
        while self.lex.mark(",") {
            literals.push(self.lex.literal()?);
        }
        if !self.lex.mark("]") {
            return Err(self.lex.expected("`,` or `]`"));
        }
        Ok(literals)
    }

    fn leaf(
        &mut self,
        target: Target,
        test: Test,
        negated: bool,
        place: Range<usize>,
    ) -> Result<Node, FilterError> {
        let leaf = self.leaves.len();
        if leaf >= COMPARISONS_MAX {
            let max = COMPARISONS_MAX;
            return Err(self.lex.error(Problem::TooMany { max }, place));
        }
        self.leaves.push(Leaf { target, test });
        Ok(Node::Leaf { leaf, negated })
    }
}

fn joined(mut nodes: Vec<Node>, all: bool) -> Node {
    match nodes.len() {
        1 => nodes.swap_remove(0),
        _ if all => Node::All(nodes),
        _ => Node::Any(nodes),
    }
}

/// Why a mapping is neither compared nor shown.
pub(super) fn mapping(target: &Target) -> Problem {
    Problem::Mapping {
        path: target.path.join("."),
        fields: field::below(&target.path),
    }
}
