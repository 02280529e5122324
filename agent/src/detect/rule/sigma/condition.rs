//! How the searches of a Sigma rule go together.

/// Deepest nesting of parentheses and `not`.
const DEPTH_MAX: usize = 32;

/// A condition.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Search(String),
    Not(Box<Expression>),
    All(Vec<Expression>),
    Any(Vec<Expression>),
}

impl Expression {
    pub(super) fn holds(&self, search: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Search(name) => search(name),
            Self::Not(one) => !one.holds(search),
            Self::All(all) => all.iter().all(|one| one.holds(search)),
            Self::Any(any) => any.iter().any(|one| one.holds(search)),
        }
    }
}

/// What is counted of the events that match: `count(field) by a, b > n`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Aggregation {
    pub(super) field: Option<String>,
    pub(super) by: Vec<String>,
    pub(super) least: u64,
}

/// Reads a condition over searches of these names.
pub(super) fn read(
    text: &str,
    names: &[&str],
) -> Result<(Expression, Option<Aggregation>), String> {
    let (logic, pipe) = match text.split_once('|') {
        Some((logic, pipe)) => (logic, Some(pipe)),
        None => (text, None),
    };
    let spaced = logic.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser {
        words: &words,
        names,
        at: 0,
        depth: 0,
    };
    let expression = parser.any()?;
    if let Some(word) = words.get(parser.at) {
        return Err(format!("`condition`: `{word}` is not expected there"));
    }
    Ok((expression, pipe.map(aggregation).transpose()?))
}

struct Parser<'w> {
    words: &'w [&'w str],
    names: &'w [&'w str],
    at: usize,
    depth: usize,
}

impl<'w> Parser<'w> {
    fn peek(&self) -> Option<&'w str> {
        self.words.get(self.at).copied()
    }

    fn takes(&mut self, word: &str) -> bool {
        let takes = self
            .peek()
            .is_some_and(|next| next.eq_ignore_ascii_case(word));
        self.at += usize::from(takes);
        takes
    }

    fn any(&mut self) -> Result<Expression, String> {
        let mut any = vec![self.all()?];
        while self.takes("or") {
            any.push(self.all()?);
        }
        Ok(one_or(any, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, String> {
        let mut all = vec![self.unary()?];
        while self.takes("and") {
            all.push(self.unary()?);
        }
        Ok(one_or(all, Expression::All))
    }

    fn unary(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("`condition` nests too deep".to_owned());
        }
        let read = if self.takes("not") {
            Expression::Not(Box::new(self.unary()?))
        } else if self.takes("(") {
            let inside = self.any()?;
            if !self.takes(")") {
                return Err("`condition`: a parenthesis is not closed".to_owned());
            }
            inside
        } else {
            self.search()?
        };
        self.depth -= 1;
        Ok(read)
    }

    fn search(&mut self) -> Result<Expression, String> {
        let word = self.peek().ok_or("`condition` ends too soon")?;
        self.at += 1;
        if !self.takes("of") {
            return self.named(word);
        }
        let pattern = self.peek().ok_or("`condition` ends too soon")?;
        self.at += 1;
        let fits = |name: &&&str| match pattern.strip_suffix('*') {
            _ if pattern == "them" => !name.starts_with('_'),
            Some(start) => name.starts_with(start),
            None => **name == pattern,
        };
        let names = self.names.iter().filter(fits);
        let searches: Vec<Expression> = names
            .map(|name| Expression::Search((*name).to_owned()))
            .collect();
        if searches.is_empty() {
            return Err(format!("`condition`: there is no search `{pattern}`"));
        }
        match word {
            "1" | "any" => Ok(Expression::Any(searches)),
            "all" => Ok(Expression::All(searches)),
            other => Err(format!("`condition`: `{other} of` is not supported")),
        }
    }

    fn named(&self, word: &str) -> Result<Expression, String> {
        if self.names.contains(&word) {
            Ok(Expression::Search(word.to_owned()))
        } else {
            Err(format!("`condition`: there is no search `{word}`"))
        }
    }
}

fn one_or(mut many: Vec<Expression>, or: fn(Vec<Expression>) -> Expression) -> Expression {
    match (many.len(), many.pop()) {
        (1, Some(one)) => one,
        (_, Some(last)) => {
            many.push(last);
            or(many)
        }
        (_, None) => or(many),
    }
}

/// `count() by c-ip > 10`, `count(cs-uri) by c-ip >= 5`.
fn aggregation(text: &str) -> Result<Aggregation, String> {
    let text = text.trim();
    let (function, rest) = text
        .split_once('(')
        .ok_or_else(|| format!("`condition`: `{text}` is not supported"))?;
    if function.trim() != "count" {
        return Err(format!(
            "aggregation `{}` is not supported; allowed: count",
            function.trim()
        ));
    }
    let (field, rest) = rest
        .split_once(')')
        .ok_or("`condition`: a parenthesis is not closed")?;
    let field = Some(field.trim())
        .filter(|field| !field.is_empty())
        .map(str::to_owned);
    let at = rest
        .find(['>', '<', '='])
        .ok_or("`condition`: it counts, and compares with nothing")?;
    let (by, compare) = rest.split_at(at);
    let by = by.trim();
    let by = match by.strip_prefix("by ") {
        Some(names) => names
            .split(',')
            .map(|name| name.trim().to_owned())
            .collect(),
        None if by.is_empty() => Vec::new(),
        None => return Err(format!("`condition`: `{by}` is not supported")),
    };
    let number = |text: &str| {
        text.trim()
            .parse::<u64>()
            .map_err(|_| format!("`condition`: `{}` is no number", text.trim()))
    };
    let least = match (compare.strip_prefix(">="), compare.strip_prefix('>')) {
        (Some(text), _) => number(text)?,
        (None, Some(text)) => number(text)?.saturating_add(1),
        (None, None) => {
            return Err("`condition`: only > and >= are supported behind count".to_owned());
        }
    };
    Ok(Aggregation { field, by, least })
}
