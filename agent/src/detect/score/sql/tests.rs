use super::super::tests::{quiet, score};
use super::super::{Class, THRESHOLD};

#[track_caller]
fn check(values: &[&str]) {
    for value in values {
        assert!(
            score(Class::Sql, value) >= THRESHOLD,
            "{value}: {}",
            score(Class::Sql, value)
        );
    }
}

#[test]
fn conditions_of_other_languages_are_not() {
    for value in [
        "if (a < b) return c;",
        "if (ready) { go(1, 2); }",
        "IF (A1 > B1) THEN C1",
    ] {
        quiet(value);
    }
    for value in [
        "1; if (1=1) waitfor delay '0:0:5'",
        "if (select count(*) from t) > 1 select 1",
        "; if(now()=sysdate(),sleep(9),0)",
        "'; if (system_user = 'sa') drop table t --",
    ] {
        assert!(score(Class::Sql, value) >= THRESHOLD, "{value}");
    }
}

#[test]
fn strings_that_are_left_are_found() {
    check(&[
        "1' or '1'='1",
        "x' AND 3>2 --",
        "admin'--",
        "admin' #",
        "') or ('a'='a",
        "\" or \"\"=\"",
        "aa' LIKE 'b",
        "'||'",
        "' is not null or 'a",
        "x'; drop table users--",
        "' order by 3-- -",
        "1' having 1=1--",
        "';waitfor delay '0:0:5'--",
        "1')) as q where 7=7 union all select null--",
    ]);
}

#[test]
fn statements_without_a_quote_are_found() {
    check(&[
        "-1 union all select 1,2,version()",
        "1 or 1=1",
        "1) and (5=5",
        "(select count(*) from information_schema.tables)",
        "1;drop table x",
        "if(benchmark(3000000,md5(1)),null,null)",
        "1 and sleep(5)",
        "select * from users where id=1",
        "1 order by 4#",
        "char(113)||char(98)||char(101)",
        "exec xp_cmdshell 'dir'",
        "insert into users (a, b) values (1, 2)",
    ]);
}

#[test]
fn pieces_of_statements_are_found() {
    check(&[
        "1*1--",
        " ( 'a' * 1 ) --",
        "1; delete low_priority from foo",
        "1 order by ifnull(null, userid)",
        "HOPE AND 1+2=3+4",
        "select x.1.e.table_name",
        "-1#union\n--\nunion",
        "-1 union",
        "select\0a\0from\0b where\0c",
        "1f union select 1",
        "select if(x",
        "select 0x616263",
        "'glob 1;",
        ") as cc from",
        "values ('10.0.0.1', 'a')",
        "5 or true",
        "7 or 7",
        "drop t;--",
        "alter table t add x int",
        "backup database a to disk='x'",
        "x'+sleep(20)+'",
        "or '{\"b\":2}'::jsonb <@ '{\"a\":1}'",
        "\" or \"\"-\"",
    ]);
}

#[test]
fn values_cut_out_of_an_expression_are_found() {
    check(&[
        ") like (",
        ")or(",
        ") when 234 then",
        " case when a then b",
        "xor 2 <",
        "or 'a' >",
        "'or   12 <",
        " like '%'",
        "like null",
        "name rlike '",
        "except values(1,2)",
        "from `a`.`b` limit",
        "from t group by a",
        "select (case",
        "database(",
        "current_user(\n",
        "; insert into",
        "b,1=1",
        "'a', '1'='1'",
        "x = (select",
        "a=and 2771=1709)",
        "';print'",
        "declare/**/@x",
        "1 as \"a\" from t",
        "'\"",
        "';",
        "' union/",
        "'  xor  a!",
        "a@b.example`;",
        "` as `a` from",
        "x` or 1=1 -- ",
        "a\" sleep(10.to_i) \"",
        "id\n#a\nunion\n#b\nselect\n#c\n1",
        "\" or \"\" \"",
        " order by 14 ",
        " or true",
        " or 1/*",
        " OR x=y-- ",
        "select @@version",
        "1 and user_name() = 'dbo'",
    ]);
}

#[test]
fn what_looks_cut_and_is_whole_is_not() {
    for value in [
        ":) or (:",
        "(a) or (b)",
        "case by case",
        "feels like 'home'",
        "from t",
        "from here order by phone",
        "order by 14",
        " or 2 of them",
        " and x = y",
        " order by 14 May",
        "select @home",
        "1 and count () of it",
        "select (all)",
        "database (new)",
        "insert into",
        "0=0,1=1",
        "a=b,1=2",
        "print",
        "1 as 2",
        "'",
        "''",
        "'Union'",
        "'Alter Schwede'",
        "`code`;",
        "a `b` c; d",
        "all except values",
        "sleep (8 h)",
        "# title\n# union and select",
    ] {
        quiet(value);
    }
}

#[test]
fn what_hides_it_does_not_help() {
    check(&[
        "1/**/uNiOn/**/sElEcT/**/1,2,3",
        "1 /*!50000union*/ /*!50000select*/ 1,2",
        "1\u{b}union\u{b}select 1,2",
        "It is a long and harmless beginning, isn't it, of 'some' text' or 1=1 -- ",
        "1.e(ascii 1.e(substring(1.e(select 1",
        "1\u{2019} or \u{2019}1\u{2019}=\u{2019}1",
        "0x31 oR\n1=1",
        "-1 --\n union select 1,2",
        "x' && 'a'='a",
    ]);
}

#[test]
fn people_and_shops_are_not() {
    for value in [
        "O'Brien",
        "Conan O'Brien and Sinéad O'Connor",
        "it's 5 o'clock or 6",
        "rock 'n' roll or 'pop'",
        "select a plan from the list below and update it where needed",
        "Union of select committees; drop us a line or call",
        "\"SWEATER DRESS\" AND \"CHRISTMAS\"",
        "36\" x 48\" frame",
        "the dogs' and cats' food",
        "d'Artagnan, l'été et l'hiver -- c'est tout",
        "Ladies' & Men's",
        "status = 'active' and price > 5",
        "Insert coin into the slot. Delete from cart. Create table reservations",
        "2-3/4 CELLO BAGS",
        "#1 in sales -- the 'best' #2",
        "L'utente ha scelto l'opzione 'uno' o 'due' e l'ha salvata",
        "don\u{2019}t or won\u{2019}t",
        "We use `SELECT * FROM users WHERE id = 1` in the example above to show what is read.",
        "order by phone or group by city",
        "1,1--",
        "<!-- note -->",
        "see section 1.e. below",
        "Step 2 create user alice, then 3 drop table reservations",
        "5 or 6 people",
        "all except selected items",
        "values (1, 2)",
        "2 -- 3 weeks -- or so",
        "10:30::11:30",
        "Delete the row, insert another (as agreed) as discussed",
    ] {
        quiet(value);
    }
}
