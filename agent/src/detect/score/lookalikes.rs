//! What people send that looks like an attack to a list of words: sentences of three languages with
//! words of SQL and names of programs in them, names, posts about code, tutorials, recipes,
//! formulas. None may fire.

use super::tests::quiet;

/// Every first with every second with every third.
#[track_caller]
fn each(firsts: &[&str], seconds: &[&str], thirds: &[&str]) -> usize {
    let mut told = 0;
    for first in firsts {
        for second in seconds {
            for third in thirds {
                quiet(&format!("{first} {second} {third}"));
                told += 1;
            }
        }
    }
    told
}

#[test]
fn english_sentences_are_not() {
    let told = each(
        &[
            "Please select",
            "We'd like to order by phone and update",
            "The workers' union or the committee will drop",
            "Don't delete",
            "Insert the coin, then grant",
            "Join us from Monday, or having read it cancel",
            "If it's true, exec summary says create",
        ],
        &[
            "the table from the list",
            "my user's profile or 2 others",
            "\"Where the Crawdads Sing\" and \"It's 5 o'clock\"",
            "all values between 1 and 10",
            "the kids' and the dogs' toys",
        ],
        &[
            "where it is needed; thanks!",
            "before 12 -- or after 3",
            "as soon as you can (like last time).",
            "and 1 of 2 = half the price.",
        ],
    );
    assert_eq!(told, 140);
}

#[test]
fn german_sentences_are_not() {
    let told = each(
        &[
            "Bitte wähle",
            "Der alte Tisch ist kaputt, oder nicht? Alter, lösche",
            "Union und Linke streichen",
            "Ich hab's am 3.11. bestellt und tausche",
            "Wer's glaubt, wird selig:",
        ],
        &[
            "die Tabelle aus der Liste",
            "den Benutzer \"Müller & Söhne\" (Nr. 7)",
            "1 = sehr gut und 6 = ungenügend",
            "Hans' Auto; Lisa's Fahrrad",
        ],
        &[
            "und schick's mir bitte!",
            "– oder besser: -- gar nicht.",
            "wie im Update vom 1.1. (s. u.)",
            "usw. usf.; Gruß, Jörg",
        ],
    );
    assert_eq!(told, 80);
}

#[test]
fn french_sentences_are_not() {
    let told = each(
        &[
            "L'union fait la force et l'ordre",
            "J'ai choisi d'après la table",
            "Aujourd'hui l'équipe n'a pas",
            "Qu'est-ce que c'est : l'update d'hier",
        ],
        &[
            "de l'été ou de l'hiver",
            "« l'un ou l'autre »",
            "à 50 % = la moitié",
            "d'un like '5 étoiles'",
        ],
        &[
            "; merci d'avance !",
            "-- c'est tout.",
            "(n° 1 et 2)",
            "or l'or vaut d'or",
        ],
    );
    assert_eq!(told, 64);
}

#[test]
fn names_are_not() {
    let told = each(
        &[
            "Sinéad",
            "D'Arcy",
            "Jean-Luc",
            "N'Golo",
            "Mary (\"Mae\")",
            "J. R. R.",
            "Ng'ang'a",
        ],
        &[
            "O'Connor",
            "d'Alembert",
            "O'Neill-O'Hara",
            "Dell'Orto",
            "M'Bappé",
            "'t Hooft",
        ],
        &["", "Jr.", "& Sons' Ltd.", "(née L'Hôpital)", "III; PhD"],
    );
    assert_eq!(told, 210);
    for name in [
        "Null",
        "Or Tal",
        "Drop Table",
        "Select Hotels",
        "Union Jack",
        "Like Mike",
        "And Or",
        "Robert \"Bobby\" Tables",
        "Mc'Donald's",
        "O''Reilly",
        "Bash O'Cat",
        "Ping An",
        "Curl E. Ruby",
        "Ida W. Getty",
        "Xor Ltd",
        "Alter & Alter",
        "Having, Norway",
        "A'ja Wilson",
        "D\u{2019}Angelo",
        "Sh. O'Dd",
        "True North",
        "Case, When & Then LLP",
        "Values Inc.",
        "Between Or Beyond",
    ] {
        quiet(name);
    }
}

/// Posts about code, and code.
const POSTS: &[&str] = &[
    "# How to read a file in Rust\n\nCall `std::fs::read_to_string(\"foo.txt\")` and use `?` to pass the error on. Do not `unwrap()` in a library.",
    "Use `SELECT name FROM users WHERE id = 1` to read one row, and `ORDER BY name` so that the list stays in order.",
    "```sql\nSELECT id, name\nFROM users\nWHERE active = true\nORDER BY name;\n```\n\nThis query reads all users that are active and sorts them by name.",
    "In bash you write `ls -la | grep foo` to look for files; in PowerShell the same is `Get-ChildItem` with a filter behind it.",
    "To install it run `curl -sSf https://example.com/install.sh | sh` and then open a new terminal so that the path is read again.",
    "The `<script>` element belongs at the end of the body so that the page is shown before the code has been loaded.",
    "A JOIN without ON is a cross join: each row of the first table with each row of the second one, which is rarely wanted.",
    "We wrote `WHERE name LIKE '%foo%'` first, which reads the whole table, and put an index on lower(name) in its place.",
    "Never build a query from input: with `' OR '1'='1` in the field of the name everybody is let in, as this old comic shows.",
    "Rust's borrow checker doesn't let you keep `&mut self.a` and call `self.b()` at once, so split the struct or take the field out first.",
    "We renamed `user_id` to `userId` in the API; if you use `filter[user_id]=1` please update your clients before the end of May.",
    "The template `{{ user.name }}` is replaced when the mail is sent, and `{{ user.email }}` as well, so leave the braces as they are.",
    "Set `PATH=$HOME/bin:$PATH` in your profile and log in again, or the shell will not find the program that you have just installed.",
    "An `if (a && b || c)` reads from left to right, and most people put parentheses around the first part so that nobody has to think.",
    "Git says `HEAD detached at 3f2a9c1`; run `git switch main` to get back to the branch that you were working on before.",
    "The regular expression `^[a-z]+(?:-[a-z]+)*$` matches words in kebab case and nothing else, not even a single digit.",
    "let x = vec![1, 2, 3];\nfor y in &x {\n    println!(\"{y}\");\n}",
    "fn main() {\n    let name = \"O'Brien\";\n    println!(\"Hello, {name}!\");\n}",
    "def total(items):\n    return sum(item.price for item in items if item.price > 0)\n",
    "const total = items.reduce((sum, item) => sum + item.price, 0);\n",
    "public int sum(int a, int b) { return a + b; }",
    "<p>We are open from <b>9</b> to <b>17</b>, and on <i>Saturdays</i> until noon.</p>",
    "<ul><li>flour &amp; water</li><li>salt</li></ul><a href=\"https://example.com/bread\">more</a>",
    "<img src=\"/images/bread.jpg\" alt=\"A loaf of bread\" width=\"400\" height=\"300\">",
    "{\"query\":\"query Me { me { id name orders(first: 5) { edges { node { id total } } } } }\"}",
    "mutation { updateUser(id: 4, input: { name: \"Ann O'Hara\" }) { id name } }",
    "query Search($text: String!) { search(text: $text, orderBy: NAME) { ... on User { id } } }",
    "git commit -m \"Fix the user's avatar\"",
    "feat(api): add order by and group by to the list of users (#42)",
    "Merge branch 'main' into feature/select-all",
    "rgba(0, 0, 0, .5) and #ff00aa; font: 12px/1.5 \"Helvetica Neue\", Arial",
    "a = b + c; d = e * f; // not \"clever\"",
    "C:\\Projects\\shop\\src\\main.rs",
    "src/**/*.{ts,tsx}",
    "feature/{a,b}-test",
    "photo.{jpg,png}",
    "std::collections::HashMap",
    "user?.name ?? 'anonymous'",
    "x => x.id === 5",
    "npm run build && npm test",
    "if (a < b && c > d) return x;",
    "if (!user) { return null }",
    "- impl `From<T>` for `Secret`\n- impl `Default` for `Parker`",
    "```sh\n$ RUST_LOG=debug cargo test\n```",
    "```bash\nmkdir -p src/build\ncd src/build\ncmake .. -DCMAKE_INSTALL_PREFIX=$HOME/x\n```",
    "## [Contribute](../../CONTRIBUTING.md)",
    "### `/dev/urandom` fallback on Linux and Android",
    "file not found: /etc/hosts is a common path",
    "JavaScript: the good parts",
    "'root': [\n    include('whitespace'),\n    include(\"comments\"),\n]",
    "raise TypeError(f'{obj.__class__.__name__} is not known')",
];

#[test]
fn posts_about_code_are_not() {
    for text in POSTS {
        quiet(text);
    }
}

#[test]
fn tutorials_on_queries_are_not() {
    let told = each(
        &[
            "In this lesson you learn how to read rows:",
            "## Sorting and grouping\n\nHere is how that works in practice:",
            "Before you go on, try the following in your own database:",
        ],
        &[
            "`SELECT * FROM orders WHERE total > 100`",
            "```sql\nSELECT city, COUNT(*) FROM users GROUP BY city;\n```",
            "`INSERT INTO users (name) VALUES ('Ann')`",
            "```graphql\n{ users(where: { age_gt: 30 }) { id name } }\n```",
            "`db.users.find({ age: { $gt: 30 } })`",
            "`DELETE FROM carts WHERE age > 30`",
            "`UPDATE users SET name = 'Bob' WHERE id = 7`",
        ],
        &[
            "and look at what the answer holds before you read on.",
            "\n\nThe database reads the condition first and then takes the columns that you have asked for.",
        ],
    );
    assert_eq!(told, 42);
}

/// Short values, filters, signs and faces.
const SHORT: &[&str] = &[
    "price>10 and price<20",
    "color:red or color:blue",
    "\"rock and roll\" or jazz",
    "cats AND dogs",
    "title:\"it's\" AND year:1999",
    "50% + 20%",
    "3 for 2",
    "12 x 500 ml",
    "A4 & A5",
    "5 -- 7 days",
    "status=active&sort=-created",
    "sort=name,asc",
    "fields=id,name,price",
    "a=1,b=2",
    "0=0,1=2,2=4",
    "tags=a|b|c",
    "1=one 2=two",
    "Q: like new? A: yes",
    "~5 kg",
    "+49 (0)30 123-456",
    "N/A",
    "--",
    "-",
    "''",
    "\"\"",
    "'",
    "?",
    "!!",
    "...",
    "#",
    "%",
    "*",
    "**bold**",
    "/* todo */",
    ":'(",
    ";-)",
    "^_^",
    "\\o/",
    "¯\\_(ツ)_/¯",
    "<3",
    "</3",
    "->",
    "=>",
    ">=",
    "<>",
    "->>",
    "-->",
    "($)",
    "(c) 2024",
    "$5",
    "a;b;c",
    "a|b",
    "a&b",
    "R&D",
    "AT&T; T-Mobile",
    "Q&A: what's new?",
    "e.g. 'x'; i.e. \"y\"",
    "5 o'clock",
    "'90s music",
    "rock 'n' roll",
    "'twas",
    "the '60s & '70s",
    "6'2\"",
    "12'6\" x 8'",
    "1,000.50",
    "1.e4",
    "0x1F",
    "1e-7",
];

#[test]
fn shops_and_products_are_not() {
    let told = each(
        &[
            "24\"",
            "5' 10\"",
            "1/2\" x 3/4\"",
            "Men's",
            "\"Classic\"",
            "Size M/L;",
            "2-in-1",
        ],
        &[
            "T-Shirt & shorts",
            "monitor (IPS)",
            "oak table, drop leaf",
            "wrench set 10-19 mm",
            "USB-C -> HDMI",
        ],
        &[
            "",
            "or similar",
            "= best price",
            "#1 choice",
            "-- new",
            "50% off!",
            "'as is'",
        ],
    );
    assert_eq!(told, 245);
    for text in SHORT {
        quiet(text);
    }
}

/// Substances, sums and logic.
const FORMULAS: &[&str] = &[
    "2 H2 + O2 -> 2 H2O",
    "Ca(OH)2 + CO2 = CaCO3 + H2O",
    "CH3-(CH2)4-COOH",
    "[Fe(CN)6]4-",
    "pH = -log[H+]",
    "C6H12O6; M = 180.16 g/mol",
    "N,N-dimethyl-4-[(E)-phenyldiazenyl]aniline",
    "(2R,3S)-2,3-dihydroxy",
    "E = mc^2",
    "a^2 + b^2 = c^2",
    "f(x) = 2*x + 1",
    "x = (-b +/- sqrt(b^2 - 4*a*c)) / (2*a)",
    "sin(x)^2 + cos(x)^2 = 1",
    "1 + 1 = 2",
    "2*3 = 6",
    "p or not p",
    "(p and q) or (not r)",
    "A xor B",
    "$\\frac{1}{2}$",
    "$\\{x \\mid x > 0\\}$",
    "\\sum_{i=1}^{n} i = \\frac{n(n+1)}{2}",
    "x <= y and y <= z",
    "if x = 1 then y = 2",
    "log(1/x) | x > 0",
    "P(A|B) = P(B|A) P(A) / P(B)",
    "a mod b",
    "{1, 2, 3}",
    "[1..10]",
    "0.5 < p < 0.95",
    "n!",
    "10:30::11:30",
    "1/3 + 1/6 = 1/2",
    "3' 30\"",
    "40\u{b0} 26' 46\" N",
    "1 in 5 or 2 in 10",
];

#[test]
fn recipes_formulas_and_substances_are_not() {
    let told = each(
        &["Mix", "Cut; then join", "Heat (don't boil)", "Sort out"],
        &[
            "1 1/2 cups of flour",
            "2 Tbsp. sugar & 1 tsp. salt",
            "3-4 eggs, or 2 if large",
        ],
        &[
            "and let it sleep for 5 min.",
            "; drop by drop add oil.",
            "until it's \"done\" -- about 20'.",
        ],
    );
    assert_eq!(told, 36);
    for text in FORMULAS {
        quiet(text);
    }
}

#[test]
fn documents_with_words_of_sql_in_them_are_not() {
    let told = each(
        &[
            "{\"type\":\"select\",",
            "{\"action\":\"delete\",\"table\":\"users\",",
            "{\"op\":\"update\",\"where\":\"home\",",
        ],
        &[
            "\"label\":\"Union or club\",",
            "\"options\":[\"and\",\"or\",\"not\"],",
            "\"sql\":false,\"like\":12,",
        ],
        &[
            "\"order\":\"desc\"}",
            "\"from\":\"2024-01-01\",\"limit\":10}",
            "\"note\":\"it's 'ok'\"}",
        ],
    );
    assert_eq!(told, 27);
}
