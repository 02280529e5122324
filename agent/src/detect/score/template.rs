//! INJ-07, expressions of template and expression languages: what stands between the marks must
//! calculate, call or reach into objects. A bare name between marks is how ordinary templates look.

use super::rules::{Rule, Rules, rule};
use super::{Class, Found, Place, ScorerError, View};

/// What opens this grammar.
pub(super) const GATE: &[&str] = &[
    "{{",
    "${",
    "#{",
    "{%",
    "<%",
    "*{",
    "@{",
    "[[",
    "{#",
    "#set",
    "#foreach",
    "@(",
    "<#",
    "~{",
    "{$",
    "{php",
    "t(java",
    "__class__",
    "{ ${",
    "$ {",
    "%{",
    "freemarker",
    "$class",
    "#evaluate",
    "{{=",
    "ognl",
    "#include",
    "{@",
];

const RULES: &[Rule] = &[
    rule(
        "calculates",
        5,
        r#"(?:\{\{=?|\$\{\{?|#\{|<%=?|\*\{|@\{|@\(|~\{|\[\[|%\{|\{|\{@|\$\{@)\s*(?:\(|['"])?\s*\d{1,10}\s*['"]?\s*[*+/%^-]\s*['"]?\s*\d{1,10}\s*['"]?\)?\s*(?:\}|%>|\)|\]\])"#,
    ),
    rule(
        "inner_attribute",
        6,
        r"(?:\{\{|\{%|\$\{|<%).{0,400}?(?:__(?:class|mro|base|bases|subclasses|globals|init|builtins|import|getitem|dict)__|\\x5f\\x5f|_templatereference|\bmro\b\s*\()|''\.__class__|__class__\s*\.\s*__(?:base|call|del|dict|get|glob|init|mro|new|reduce|set|subclass|weak)|\|\s*attr\s*\(",
    ),
    rule(
        "known_object",
        5,
        r#"\{\{\s*(?:config|self|request|settings|lipsum|cycler|joiner|namespace|url_for|get_flashed_messages|app|session|g|handler|_self|dump|range|source|constructor|process|global|root|this|\(\)|\[\]|''|"")\s*(?:[.\[|(}]|\))"#,
    ),
    // `{{user.password}}`: no template of a letter asks for that.
    rule(
        "secret_in_braces",
        5,
        r"(?:\{\{=?|\$\{|#\{)\s*\w+(?:\.\w+){0,4}\.(?:secret|secret_?key|passwd|password|password_?hash|private_?key|api_?key|access_?token|env)\s*\}",
    ),
    rule(
        "call_in_braces",
        5,
        r#"\{\{[^{}]{0,200}?(?:\w+\s*\(\s*["'\w\\\[]|["']\s*\.\s*\w+\s*\(|\|\s*(?:filter|map|sort|reduce|system|exec|passthru|join)\s*\(?|\.\s*(?:read|system|exec|popen|eval|getclass|constructor|newinstance)\s*\(|\['id'\]|constructor)"#,
    ),
    rule(
        "call_in_dollar",
        5,
        r#"\$\{[^{}]{0,200}?(?:\bt\s*\(\s*java|\.\s*(?:getclass|exec|runtime|forname|system|getruntime|newinstance|invoke)\b|\?new\s*\(|\?api\b|\?eval|(?:self|context)\s*\.\s*\w+\.\w+|\w+\.\w+\.\w+\.\w+\s*\(|system\s*\(|new\s+java|#(?:rt|a|cmd|context|_memberaccess)|\w+\s*\(\s*["'])"#,
    ),
    rule(
        "call_in_hash",
        5,
        r#"#\{[^}]{0,200}?(?:\w\s*\(\s*["'\w]|`|\.\s*(?:exec|system|popen|getclass|new)\b|%x|require\b)"#,
    ),
    rule(
        "expression_of_spring",
        6,
        r#"(?:\*\{|\#\{|%\{|\$\{|__\$\{).{0,200}?(?:t\s*\(\s*java|new\s+java|#context|#_memberaccess|@java\.|ognl|getruntime|#request|#attr|#session|#parameters|\(#\w+\s*=)|::\.x$"#,
    ),
    rule(
        "statement_tag",
        5,
        r#"\{%-?\s*(?:for\s+\w+(?:\s*,\s*\w+)?\s+in\s+(?:\(\)|\[\]|\[\s*\d|config|request|self|''|""|\w+\.(?:iteritems|__))|if\s+(?:true|1|\d+\s*==\s*\d+)\s*-?%\}|import\s+os|include\s*['"]\s*[/.]|debug\s*%\}|with\s+\w+\s*=\s*\w+\.__|set\s+\w+\s*=\s*(?:\w+\.__|''|\(\)|cycler|request)|extends\s*["'])"#,
    ),
    rule(
        "server_tag",
        5,
        r#"<%=?-?\s*(?:system|exec|`|dir\b|file\.|io\.|`|runtime|\d+\s*[*+]|if\s+true|out\.print|response\.|eval|require|foobar|global|self\.|import\s)|<#(?:assign|list|include|import)\b.{0,80}?(?:\?new|execute|=)|freemarker\.template|<@"#,
    ),
    rule(
        "velocity",
        5,
        r"#set\s*\(\s*\$\w+\s*=|#foreach\s*\(\s*\$|\$class\.(?:inspect|type)|#evaluate\s*\(|\$\w+\.getclass",
    ),
    rule(
        "smarty",
        5,
        r#"\{(?:php|literal|fetch|include|eval)\b\s*(?:\}|file\s*=|var\s*=)|\{\$smarty\.|\{system\s*\(|\{\s*if\s+(?:system|phpinfo|passthru|exec)|\{\s*(?:system|exec|passthru|phpinfo|self::|id)\s*\("#,
    ),
    rule(
        "razor",
        5,
        r"@\(\s*\d+\s*[*+]|@\{\s*(?:var|system|int|string|response)|@(?:system|html|file|process|import)\s*[.(]",
    ),
    rule(
        "pug_or_slim",
        5,
        r"^\s*[-=]\s*(?:var\s+x\s*=\s*root|global\.|process\.|root\.process)|#\{\s*(?:root|global|function)",
    ),
    rule(
        "empty_probe",
        4,
        r#"\$\{\{<%\[%|\{\{\s*['"]?\w{0,8}['"]?\s*\}\}\s*\[\[|\$\{\{\w?|\{\{\s*-?\d+\s*\}\}|\{\{\s*['"][^}]{0,20}['"]\s*\}\}|<%=?\s*\d+|\$\{\w\}\$\{"#,
    ),
    rule(
        "escape_of_sandbox",
        5,
        r"(?:constructor|tostring|\$(?:eval|on|parent|root|apply))\s*(?:\.|\[|\()\s*['\x22]?(?:constructor|constr|call|apply|charcodeat|\$)",
    ),
];

/// The rules.
#[derive(Debug)]
pub(super) struct Template {
    rules: Rules,
}

impl Template {
    pub(super) fn new() -> Result<Self, ScorerError> {
        Ok(Self {
            rules: Rules::new(RULES)?,
        })
    }

    /// Looks for expressions.
    pub(super) fn look(&self, view: &View<'_>, found: &mut Found) {
        if view.place == Place::Agent && view.prose > 4 {
            return;
        }
        self.rules.each_match(view.bytes, |rule, start, end| {
            let shown = view.is_shown(start) || view.prose >= 10;
            let score = if shown {
                rule.score * 3 / 5
            } else {
                rule.score
            };
            found.add(Class::Template, rule.name, score, start, end);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::super::tests::{quiet, score};

    #[test]
    fn expressions_are_found() {
        for value in [
            "{{7*7}}",
            "${7*7}",
            "#{ 7 * 7 }",
            "<%= 7*7 %>",
            "{{ ''.__class__.__mro__ }}",
            "{{config.items()}}",
            "${T(java.lang.System).getenv()}",
            "{% if True %}49{% endif %}",
            "#set($x='')",
            "{{['id']|filter('system')}}",
            "{{ account.owner.password }}",
            "${app.secret_key}",
            "${\"freemarker.template.utility.Execute\"?new()(\"id\")}",
        ] {
            assert!(score(Class::Template, value) >= 5, "{value}");
        }
    }

    #[test]
    fn ordinary_templates_and_sums_are_not() {
        for value in [
            "Dear {{first_name}}, your order {{ order.number }} is on its way",
            "{% $NUM_VIEWS|STRING_FORMAT:\"%D\" %} views",
            "{% if user.active %}Hello{% endif %}",
            "${HOME}/bin",
            "{{ account.owner.name }}",
            "{{ secret }}",
            "{{ secretary.phone }}",
            "$\\frac{{x}^2}{2}$ and \\begin{align} x &= {y}_{1} \\end{align}",
            "{\"a\": {\"b\": 1}}",
            "#{tag}",
            "f{x} = {1, 2, 3}",
        ] {
            quiet(value);
        }
    }
}
