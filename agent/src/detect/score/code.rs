//! INJ-03 and INJ-07, code for the server's own language: PHP, Java, JavaScript of Node, Python,
//! Perl, Ruby. A call counts with arguments that only code has; a name alone, or in a sentence, not.

use super::rules::{Rule, Rules, rule};
use super::{Class, Found, ScorerError, View};

/// What opens this grammar.
pub(super) const GATE: &[&str] = &[
    "<?",
    "\n(",
    "\n (",
    "*/(",
    "*/ (",
    "system",
    "exec",
    "passthru",
    "popen",
    "proc_open",
    "phpinfo",
    "eval",
    "assert",
    "base64_decode",
    "gzinflate",
    "gzdecode",
    "call_user_func",
    "file_put_contents",
    "create_function",
    "$_",
    "$__",
    "${",
    "$ {",
    "$  ",
    ")('",
    ")(\"",
    "\".\"",
    "$$",
    "require",
    "child_process",
    "process.",
    "spawn",
    "__import__",
    "subprocess",
    "os.",
    "runtime",
    "processbuilder",
    "java.lang",
    "javax.",
    "xwork",
    "springframework",
    "classloader",
    "getclass",
    "_nd_func",
    "module.exports",
    "fsockopen",
    "str_rot13",
    "%x(",
    "io.",
    "@{[",
    "[/php]",
    "[\\php]",
    "auto_prepend",
    "allow_url",
    "__js_function",
    "chr(",
    "string)",
    ".tem",
    "'.'",
    "define(",
    "java.",
    "system\"",
    "open(",
    "file_get_contents",
    "function()",
    "function (",
    "import os",
    "include(",
    "print(",
    "die(",
    "md5(",
    "sleep(",
    "echo(",
    "var_dump",
    "preg_replace",
    "unserialize(",
    "readfile(",
    "ini_set",
    "@@",
    "bean",
    "ognl",
    "memberaccess",
    "commons.",
    "new date",
    "while(",
    "for(",
    "for (",
    "redirect 3",
    "redirect permanent",
    "redirectmatch ",
    "rewriterule ",
    "sethandler ",
    "addhandler ",
    "addtype ",
    "php_value ",
    "php_flag ",
    "+execcgi",
    "() ->",
    "@(",
    "$a(",
    "$b(",
    "eval(",
    "print ",
    "_connect(",
    "_query(",
    "array_",
    "opcache.",
    "disable_functions",
    "constructor",
    "_decode(",
    "bzdecompress",
    "gzuncompress",
    "ldap_",
    "odbc_",
    "apache_",
    "apcu_",
    "bz_",
    "curl_",
    "db2_",
    "dba_",
    "exif_",
    "ftp_",
    "gnupg_",
    "ibase_",
    "imap_",
    "oci_",
    "openssl_",
    "pcntl_",
    "posix_",
    "pspell_",
    "shmop_",
    "snmp_",
    "socket_",
    "sqlite_",
    "sqlsrv_",
    "ssh2_",
    "stream_",
    "xmlrpc_",
    "yaml_",
    "zip_",
    "sodium_",
    "zend_",
    "tidy_",
    "pg_",
    "gethostby",
    "for %",
    "for /",
    "() {",
    "(){",
    ".php",
    ".jsp",
    ".phtml",
    ".asp",
    ".phar",
    ".cgi",
    ". php",
    ". jsp",
    ". asp",
    ". phtml",
    ". phar",
    "mbstring.",
];

const RULES: &[Rule] = &[
    rule(
        "php_tag",
        6,
        r"<\?(?:php\b|=|\s|xml\s*:|xml\s+\()|\[[/\\]?php\]|<%=?\s*(?:system|exec|runtime)",
    ),
    rule(
        "php_call",
        5,
        r#"(?:^|[^\w.>$])@?(?:system|exec|passthru|shell_exec|popen|proc_open|pcntl_exec|assert|eval|create_function|call_user_func(?:_array)?|array_map|preg_replace|file_get_contents|file_put_contents|readfile|unserialize|fsockopen|curl_exec|highlight_file|show_source|move_uploaded_file|symlink|backticks?|ini_set|putenv|mail)\s*(?:/\*.{0,40}?\*/\s*)?\(\s*@?(?:["'`]|\$_?\w|base64_decode|chr\s*\(|str_rot13|gz\w+\s*\(|<<<|\[)"#,
    ),
    // A file or an address; other languages include by name.
    rule(
        "php_include",
        5,
        r#"(?:^|[^\w.>$])@?(?:include(?:_once)?|require_once)\s*(?:/\*.{0,40}?\*/\s*)?\(\s*@?(?:["'`][^"'`\r\n]{0,80}[./:\\]|\$_?\w|base64_decode|chr\s*\(|str_rot13|gz\w+\s*\(|<<<|\[)"#,
    ),
    rule(
        "php_call_empty",
        5,
        r"(?:^|[^\w.>$])(?:phpinfo|phpversion|php_uname|getcwd|get_current_user|posix_getpwuid|php_sapi_name)\s*\(\s*(?:\)|-?\d|\w+_)",
    ),
    rule(
        "php_function_alone",
        5,
        r"^\s*\w{0,12}?(?:base64_decode|gzinflate|gzuncompress|gzdecode|bzdecompress|str_rot13|call_user_func|fsockopen|array_(?:diff|map|filter|walk)|tidy_\w+|ldap_\w+|odbc_\w+|pg_\w+|sodium_\w+|zend_\w+|mysqli?_\w+|curl_\w+|posix_\w+|gethostby\w+|(?:apache|apcu|bz|db2|dba|exif|ftp|gnupg|ibase|imap|oci|openssl|pcntl|pspell|shmop|snmp|socket|sqlite|sqlsrv|ssh2|stream|xmlrpc|yaml|zip)_\w+|proc_open|shell_exec|passthru)\s*\(\s*\)?\s*$",
    ),
    // A call as a whole value, whose argument is a word or a number.
    rule(
        "call_alone",
        5,
        r"^\s*(?:(?:(?:exec|system)(?:[\r\n\t]|/\*[^*]{0,40}\*/)*|(?:passthru|shell_exec|popen)\s*)\(\s*\w+\s*\)|chr\s*\(\s*\d+\s*\))\s*;?\s*$",
    ),
    // `file⏎()`, `unlink/**/('x')`: a line ends or a comment stands between a function of PHP and what calls
    // it, where filters look for them side by side.
    rule(
        "call_over_lines",
        5,
        r#"^\s*@?(?:assert|chmod|copy|eval|exec|file|fopen|fread|getenv|glob|include|include_once|mkdir|opendir|passthru|phpinfo|popen|readfile|rename|require|require_once|scandir|shell_exec|symlink|system|unlink)[ \t]*(?:[\r\n]|/\*[^*]{0,40}\*/|(?:#|//)[^\r\n]{0,40}[\r\n])\s*\(\s*(?:\)|["'$])"#,
    ),
    rule(
        "php_variable",
        5,
        r#"\$_(?:get|post|request|server|cookie|files|env|session)\b\s*(?:\[|=|$)|\$\s+\{\s*["'$A-Z]|\$\{\s*["'][\w.]"#,
    ),
    rule(
        "php_variable_call",
        5,
        r"^\s*@?\$+\{?[\w$]{1,16}\}?(?:\[[^()]{1,40}\])?\s*\(.{0,40}\)|\(\s*\$\w{1,12}\s*\)\s*\(",
    ),
    rule(
        "php_hidden_call",
        5,
        r#"(?:["'\]]|\(\s*\w+)\s*\)\s*(?:/\*.*?\*/\s*)?\(\s*["']|\(\s*(?:string|int)\s*\)\s*["'\{]|["']\s*\.\s*["']\w{1,6}["']\s*\)?\s*;?\s*\(?|\(\s*system\s*\)\s*\(|\(\w{1,4}\.\(\w{1,4}\)"#,
    ),
    rule(
        "php_setting",
        5,
        r"(?:auto_(?:pre|ap)pend_file|allow_url_(?:include|fopen)|disable_functions|open_basedir|opcache\.\w+|mbstring\.\w+|safe_mode|suhosin\.\w+)\s*=",
    ),
    rule(
        "runtime_exec",
        6,
        r#"getruntime\s*\(\s*\)|\bruntime\s*\.\s*(?:getruntime|exec)|processbuilder\s*(?:\(|["'\[]|;|\.)|\.exec\s*\(\s*["'\[]"#,
    ),
    rule(
        "java_class",
        5,
        r"\bjava\.(?:lang\.(?:runtime|processbuilder|process\b|class\b|system\b|reflect|thread)|io\.(?:file|objectinput)|net\.url|beans\.|util\.scanner|runtime|processbuilder|\w+\.runtime)|javax\.(?:script|naming|management|el)\.|com\.opensymphony\.xwork2|org\.apache\.(?:commons\.(?:collections|beanutils)|struts|xalan)|com\.sun\.(?:rowset|org\.apache|jndi)|springframework\.(?:context|beans|expression)\b.*?(?:context|bean)|ysoserial|(?:runtime|processbuilder)\.[\w.]*(?:clonetransformer|forclosure|instantiatefactory|instantiatetransformer|invokertransformer|prototypeclonefactory|prototypeserializationfactory|whileclosure|getproperty|filewriter|xmldecoder)",
    ),
    rule(
        "java_class_alone",
        5,
        r"^\s*(?:processbuilder|java\.lang\.\w+)[\w.]*\s*$",
    ),
    rule(
        "class_loader",
        6,
        r"class\s*\.\s*(?:module\s*\.\s*)?class\s*loader|getclass\s*\(\s*\)|forname\s*\(|#_?memberaccess|@(?:ognl|java)\.[\w.]+@|#context\s*\[",
    ),
    rule(
        "node_require",
        6,
        r#"require\s*(?:\(|\.main)\s*(?:["'`]?(?:child_process|fs|net|os|vm|http|cluster)\b|\.|["'])|child_process|process\s*\.\s*(?:mainmodule|binding|exit|env\b|kill)|global\.process|require\.main|process\s*\[\s*["'`]|process\.spawn"#,
    ),
    rule(
        "node_code",
        5,
        r"_\$\$nd_func\$\$_|__js_function|module\.exports\s*=|new\s+function\s*\(|function\s*\(\s*\)\s*\{|this\.constructor\.constructor",
    ),
    rule(
        "python_call",
        6,
        r#"__import__\s*\(|\bos\s*\.\s*(?:system|popen|exec\w*|spawn\w*|environ)\s*[(\[]|subprocess\s*\.\s*(?:popen|call|run|check_output|getoutput)|importlib\.import_module|__builtins__|__subclasses__|__globals__"#,
    ),
    rule(
        "perl_or_ruby",
        5,
        r"@\{\s*\[.{1,120}\]\s*\}|%x[\(\[\{/]\w|kernel\.(?:exec|system|open|fork)|io\.popen|\bopen\s*\(\s*[a-z]{1,3}\s*,|\bprocess\.(?:spawn|exec|clock_gettime)\s*\(|open3\.",
    ),
    rule(
        "loop_forever",
        5,
        r#"^\s*while\s*\(\s*(?:[+-]?(?:true|[1-9]\d{0,10})|!!\s*(?:true|[1-9]\d{0,10}|["'`]\w+["'`])|["'`]\w{1,12}["'`]|!\s*[+-]?\s*(?:false|0|null|undefined|nan|""|''|``))\s*\)\s*;?\s*$"#,
    ),
    // `for (i=0;i<9;i++) {`: the head of a loop of JavaScript, C or PHP, as a whole value.
    rule(
        "loop_alone",
        5,
        r"^\s*for\s*\(\s*(?:(?:var|let|int)\s+)?\$?[a-z_]\w{0,15}\s*=[^;]{1,40};\s*\$?[a-z_][^;]{0,40}[<>=][^;]{0,40};\s*[^;)]{1,40}\)\s*\{?\s*$",
    ),
    // `AddType application/x-httpd-php .jpg`: a line of `.htaccess` that hands files over to a program, or
    // visitors to another site (Apache's core, mod_alias, mod_mime, mod_rewrite).
    rule(
        "server_directive",
        5,
        r"^\s*(?:redirect(?:match)?\s+(?:30[1-8]|permanent|temp|seeother)\s+\S+\s+https?://\S|redirectmatch\s+\S*[\^$*(]\S*\s+https?://\S|rewriterule\s+\S+\s+\S|(?:sethandler|addhandler)\s+(?:[\w-]+/|cgi-script|php|server-|application)|addtype\s+application/\S+\s+\.|php_(?:admin_)?(?:value|flag)\s+\w+\s+\S|options\s+\+execcgi)",
    ),
    rule(
        "windows_loop",
        5,
        r"\bfor\s+(?:/[dflr]\s+(?:\S+\s+)?)?%+\w+\s+in\s*\(.*\)\s*do\b",
    ),
    rule(
        "fork_bomb",
        6,
        r"[\w:.]+\s*\(\s*\)\s*\{\s*[\w:.]+\s*\|\s*[\w:.]+\s*&\s*\}",
    ),
    rule(
        "code_after_quote",
        5,
        r#"^[^"']{0,20}["'][)\s]*[;+.-]\s*(?:eval|print|die|exec|system|echo|sleep|phpinfo|var_dump|passthru|return|md5|assert|response\.write)\s*[(\s]"#,
    ),
    rule(
        "expression_call",
        5,
        r#"[@#$]\{?\(?\s*\w*\s*\(?\s*(?:1\s*\+\s*1|md5\s*\(|sleep\s*\(|hexdec\s*\(|phpinfo)|\$\{\s*\$?\{?\s*(?:sleep|phpinfo|system|print|md5|exec|passthru|@print)"#,
    ),
];

/// Names of fields that hold the name of a file that is sent.
const FILE_NAMES: &[&str] = &[
    "filename",
    "x-file-name",
    "x-filename",
    "x.filename",
    "x_filename",
];

/// Files that servers run where they find them.
const FILE_RULES: &[Rule] = &[rule(
    "program_sent",
    5,
    r"\.\s*(?:php\d?|phps|phtml|pht|phar|jspx?|jspf|jsw|asp|aspx|asa|asax|ashx|cer|cfm|cfml|cgi|htaccess)[\s.;:]*$",
)];

/// The languages.
#[derive(Debug)]
pub(super) struct Code {
    rules: Rules,
    files: Rules,
}

impl Code {
    pub(super) fn new() -> Result<Self, ScorerError> {
        Ok(Self {
            rules: Rules::new(RULES)?,
            files: Rules::new(FILE_RULES)?,
        })
    }

    /// Looks for calls.
    pub(super) fn look(&self, view: &View<'_>, found: &mut Found) {
        if FILE_NAMES
            .iter()
            .any(|name| view.name.eq_ignore_ascii_case(name.as_bytes()))
        {
            self.files.look(Class::Shell, view, found);
        }
        self.rules.each_match(view.bytes, |rule, start, end| {
            let shown = view.is_shown(start) || view.prose >= 8;
            let score = if shown {
                rule.score * 3 / 5
            } else {
                rule.score
            };
            found.add(Class::Shell, rule.name, score, start, end);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::super::tests::{quiet, score};

    #[test]
    fn calls_with_code_for_arguments_are_found() {
        for value in [
            "system('id');",
            "include('/etc/issue')",
            "include_once($_GET[x])",
            "<?php echo 1;",
            "';phpinfo();'",
            "require('child_process').exec('id')",
            "T(java.lang.Runtime).getRuntime().exec('id')",
            "__import__('os').popen('id').read()",
            "@{[system 'whoami']}",
            "exec(blah)",
            "exec\t(blah)",
            "system/* */(blah)",
            "FILE\r\n()",
            "unlink/**/('a.txt')",
            "glob // x\n($a)",
            "shell_exec \n ();",
            "chr(123)",
            "ftp_connect(",
            "pcntl_fork()",
            "opcache.enable=1",
            "while(!0);",
            "while(\"x\")",
            "for (let n = 0; n < 4; n += 1) {",
            "for($k=9;$k>0;$k--)",
            "AddType application/x-httpd-php .gif",
            "SetHandler cgi-script",
            "Redirect 301 /login https://evil.example/",
            "php_value auto_prepend_file /tmp/x",
            "RewriteRule ^a$ /b [L]",
        ] {
            assert!(score(Class::Shell, value) >= 5, "{value}");
        }
    }

    #[test]
    fn names_of_functions_in_text_are_not() {
        for value in [
            "the system is down()",
            "executor()",
            "exec (blah)",
            "exec  (blah)",
            "Notes\r\n()",
            "file\n(see above)",
            "Notes\n(2020)",
            "see file()\n()",
            "filemtime($foo)",
            "zip_code",
            "stream_id (12)",
            "process.",
            "Moreover, phpinfo can leak configuration details to anybody who asks for it.",
            "We call `system(\"ls\")` here, which is not a good idea in a server that takes input.",
            "our operating system (exec summary)",
            "while(!true);",
            "system (new)",
            "exec (retired)",
            "chr(x)",
            "for (at least; two) or three",
            "for(a;b;c)",
            "for (k in list)",
            "Redirect 301 visitors to the desk",
            "Redirect 3 people to https://example.com",
            "addtype is a word of Apache",
            "SetHandler for the form",
        ] {
            quiet(value);
        }
    }
}
