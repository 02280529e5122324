use super::super::tests::{quiet, score};
use super::super::{Class, THRESHOLD};

#[track_caller]
fn check(values: &[&str]) {
    for value in values {
        assert!(
            score(Class::Html, value) >= THRESHOLD,
            "{value}: {}",
            score(Class::Html, value)
        );
    }
}

#[test]
fn ways_around_words_are_found() {
    for value in [
        "//[\"'`-->]]>]</div>",
        "</xmp>",
        "&#X00003c",
        "ja&Tab;vascript: ",
        "[].sort.call`x`",
        "(![]+[])[+!+[]]",
        "self[\"\\x24\"]",
        "x:url(javascript",
        "<a b:handler=\"x#y\"/>",
        "<!ATTLIST img onerror CDATA \"x\">",
        "<p style=content:url(a.svg)>",
    ] {
        let best = score(Class::Html, value).max(score(Class::Xml, value));
        assert!(best >= 5, "{value}");
    }
    for value in [
        "a --> b",
        "<html><body>Hi</body></html>",
        "&#60; and &#x3c;",
        "please call `me`",
        "the document is here",
        "<p style=\"color:red\">x</p>",
        "<p style=\"color:{{colour}};top:0\">x</p>",
        "<p style=\"color:red/* as agreed */\">x</p>",
        "<div :style=\"{ color: activeColor, fontSize: size + 'px' }\">x</div>",
        "<div v-bind:style=\"{ color: red\">x</div>",
        "<div style=\"color: {c}; top: {y}px\">x</div>",
    ] {
        quiet(value);
    }
    // A comment and a pair of braces may be long.
    let long = "a ".repeat(300);
    quiet(&format!("<p style=\"color:red/* {long}*/\">x</p>"));
    quiet(&format!("<p style=\"color:{{ {long}}}\">x</p>"));
}

#[test]
fn what_a_browser_runs_is_found() {
    check(&[
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=confirm`1`>",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<iframe srcdoc='<b>'></iframe>",
        "<div style=\"width:expression(alert(1))\">",
        "<p style=\"color:a{b;top:0\">",
        "<p style=\"color:a}b\">",
        "<p style=\"color:red/*;top:0\">",
        // What a template writes in pairs hides no brace that has none.
        "<p style=\"color:{{a}}}b\">",
        "<p style=\"color:{{a}};b{c\">",
        "\" onmouseover=\"alert(1)",
        "<object data=x>",
        "</textarea><b>",
        "<math><mi xlink:href=\"data:text/html,x\">",
        "<body/onpageshow = 'x()'>",
    ]);
}

#[test]
fn scripts_without_tags_are_found() {
    check(&[
        "';alert(document.cookie)//",
        "javascript:alert(1)",
        "top['al'+'ert'](1)",
        "[].constructor.constructor('x')()",
        "eval(atob('x'))",
        "-prompt(1)-",
        "document.location='//h'",
        "import('//h/x.js')",
        "-!![]",
    ]);
}

#[test]
fn what_hides_it_does_not_help() {
    check(&[
        "<scr\u{0}ipt>alert(1)</script>",
        "<IMG SRC=\"jav&Tab;ascript:alert(1)\">",
        "<img/src=`x`onerror=alert(1)>",
        "<\u{0}script>x",
        "<x onClIcK\n=\n'a()'>",
        "<svg:rect x=\"0\"/>",
        "<a href=\"http://%77%77%77.%68\">x</a>",
        "<iframe src=\"https://h.example/\"></iframe>",
        "<form>",
        "\"onzoom=",
        "'formaction=x",
        "\"in valueOf=a",
        "\u{bc}script\u{be}alert(1)",
        "(![]+[])[+!+[]]",
        "\u{ff1c}script\u{ff1e}alert(1)",
        "<a href=' &#10;javascript&colon;alert(1)'>",
    ]);
}

#[test]
fn content_and_code_are_not() {
    for value in [
        "<p>Hello <b>world</b>, see <a href=\"https://example.com\">this</a><br/></p>",
        "<span class=\"show-text\">regardez</span>",
        "<img src=\"https://cdn.example.com/a.png\" alt=\"a\">",
        "a < b and c > d",
        "Vec<T>, Option<i32>, HashMap<String, u8>",
        "I <3 you",
        "Please confirm the order and alert me. I have no objection to it.",
        "Call `alert('hi')` in the page to see whether the script was loaded by the browser.",
        "Use `<script>` tags at the end of the body so that the page is shown first.",
        "<h2>News</h2><ul><li>one</li><li>two</li></ul>",
        "function names in a document are not a window to the world",
        "on = off",
        "confirmation prompt",
        "Use <form> and <input> in your page",
        "<a href=\"https://example.com/a%20b%20c\">file</a>",
        "the 'formaction' attribute",
        "x.valueOf() === y.toString()",
        "[ ] todo [x] done",
    ] {
        quiet(value);
    }
}

#[test]
fn tags_spaced_out_or_left_open_are_found() {
    for value in [
        "< s c r i p t",
        "a<i f r a m e src=x",
        "<S T Y L E>",
        "<img src='//h.example/?",
        "x<a href=\"t\"",
        "<form/action=\"https://h.example/",
    ] {
        assert!(score(Class::Html, value) >= 5, "{value}");
    }
    for value in [
        "a < b c d",
        "if a <f or m> b",
        "1 <f o r",
        "<T e s t>",
        "x <a and b",
        "<a href=\"https://a.example/\">site</a>",
        "see <img src=\"a.png\" in the page that we made for you",
    ] {
        quiet(value);
    }
}
