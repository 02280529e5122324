use proptest::prelude::*;

use super::{Text, is_too_little, scan, scan_all};

/// What is found in `text`: each hit as `TYPE=bytes`.
fn found(text: &str, is_cut: bool) -> Vec<String> {
    let mut hits = Vec::new();
    let scanned = Text {
        bytes: text.as_bytes(),
        is_cut,
        addresses: true,
    };
    scan(scanned, &mut hits);
    let told = hits.into_iter().map(|hit| {
        let bytes = &text.as_bytes()[hit.range];
        format!("{}={}", hit.secret.as_str(), String::from_utf8_lossy(bytes))
    });
    told.collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(found(text, false), expected, "{text}");
    // What stands around it changes nothing.
    for (front, behind) in [
        ("", ", and more."),
        ("see: ", ""),
        ("\"", "\"}"),
        ("x=", "&y=1"),
    ] {
        let around = format!("{front}{text}{behind}");
        assert_eq!(found(&around, false), expected, "{around}");
    }
}

#[test]
fn payment_cards_of_all_issuers_in_usual_groups() {
    for card in [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4222222222222",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "3782 822463 10005",
        "6011111111111117",
        "30569309025904",
        "3530111333300000",
        "6200000000000005",
        "6304000000000000",
    ] {
        check(card, &[&format!("payment_card={card}")]);
    }
}

#[test]
fn numbers_that_are_no_cards() {
    for not in [
        "4111111111111112",
        "1718876884123",
        "1718876884123456789",
        "20240620114804",
        "9999999999999995",
        "ORD-4111111111111111",
        "a4111111111111111",
        "41111111111111110000000",
        "550e8400-e29b-41d4-a716-446655440000",
        "0.4111111111111111",
        "411111111111111a",
    ] {
        check(not, &[]);
    }
}

#[test]
fn ibans_with_and_without_spaces() {
    for iban in [
        "DE89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "GB82WEST12345698765432",
        "NO9386011117947",
        "FR1420041010050500013M02606",
        "gb82west12345698765432",
    ] {
        check(iban, &[&format!("iban={iban}")]);
    }
    for not in [
        "DE89370400440532013001",
        "XX89370400440532013000",
        "DE8937040044053201300",
        "IT60",
    ] {
        check(not, &[]);
    }
}

#[test]
fn addresses_of_mail() {
    for mail in [
        "bob@example.com",
        "o.b-r+tag@mail.example.co.uk",
        "x_1@xn--bcher-kva.example",
    ] {
        check(mail, &[&format!("email={mail}")]);
    }
    check(
        "\u{fc}ber@b\u{fc}cher.example",
        &["email=über@bücher.example"],
    );
    for not in [
        "@handle",
        "a@b",
        "user@localhost",
        "npm i @scope/pkg@1.2.3",
        "a@.com",
    ] {
        check(not, &[]);
    }
}

#[test]
fn telephone_numbers_and_ids_like_them() {
    for phone in [
        "+49 170 1234567",
        "+1-202-555-0143",
        "(202) 555-0143",
        "202-555-0143",
        "0171 234 5678",
        "+442071838750",
    ] {
        check(phone, &[&format!("phone={phone}")]);
    }
    for (said, phone) in [
        ("call me on 21 212 133 2727?", "21 212 133 2727"),
        ("69 987 88 37 office", "69 987 88 37"),
        ("Tel: 22 41 36 50 40", "22 41 36 50 40"),
    ] {
        check(said, &[&format!("phone={phone}")]);
    }
    for not in [
        "order 21 212 133 2727",
        "called 21 212 133 2727 times",
        "phone\n69 987 88 37",
        "office 12 hours, 98 765 432",
        "tel 2024 06 20",
        "2024-06-20",
        "20-06-2024",
        "12345678901",
        "1718876884",
        "10.0.19045.3803",
        "INV-202-555-0143",
        "2024-06-20 11:48:04",
        "100-200",
    ] {
        check(not, &[]);
    }
}

#[test]
fn national_ids_with_their_check_rules() {
    for id in [
        "123-45-6789",
        "529.982.247-25",
        "2345 6789 0124",
        "811228-9874",
        "12345678Z",
        "X1234567L",
        "AB123456C",
        "RSSMRA85T10A562S",
        "255081416802538",
        "36574261809",
        "44051401359",
    ] {
        check(id, &[&format!("national_id={id}")]);
    }
    for not in [
        "000-45-6789",
        "529.982.247-26",
        "811228-9875",
        "12345678A",
        "X1234567A",
        "DB123456C",
        "RSSMRA85T10A562T",
        "255081416802539",
        "36574261800",
        "44051401358",
    ] {
        let ids: Vec<_> = found(not, false);
        assert!(
            !ids.iter().any(|id| id.starts_with("national_id")),
            "{not}: {ids:?}"
        );
    }
}

#[test]
fn a_number_as_long_as_can_be_is_worked_out_within_bounds() {
    for len in 9..64 {
        check(&format!("{}Z", "9".repeat(len)), &[]);
    }
}

#[test]
fn ip_addresses() {
    check("203.0.113.7", &["ip_address=203.0.113.7"]);
    check("203.0.113.300", &[]);
    check("1.2.3", &[]);
}

#[test]
fn tokens_and_keys_by_their_form() {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl";
    check(jwt, &[&format!("jwt={jwt}")]);
    for key in [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "glpat-AbCdEfGhIjKlMnOpQrSt",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "xoxb-123456789012-abcdefghijkl",
        "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
        "npm_abcdefghijklmnopqrstuvwxyz0123456789",
        "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",
        "hvs.CAESIJlWFkS8yXbrzAbCdEf",
        "AAAAAAAAAAAAAAAAAAAAAMLheAAAAAAA0X2BuSeEzULqhELJbTHnf9e5Adi4dhLJaKbVqfTr0ZJkPQdHxYk",
    ] {
        check(key, &[&format!("cloud_key={key}")]);
    }
    check("Bearer abcDEF123456789", &["bearer=abcDEF123456789"]);
    check(
        "Basic dXNlcjpwYXNzd29yZA==",
        &["basic=dXNlcjpwYXNzd29yZA=="],
    );
    check("postgres://bob:hunter2@db/x", &["password=hunter2"]);
    for not in [
        "AKIA",
        "AKIAXXXXXXXXXXXXXXXX",
        "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        &"A".repeat(6000),
        &format!(
            "AAAAIGZ0eXBpc29tAAACAGlzb21pc28y{}",
            "YXZjMW1wNDE".repeat(20)
        ),
        "bearer of bad news",
        "Basic authentication",
        "basic_income2024",
        "https://example.com:8080/a@b",
        "skill",
        "eyJ",
        "sk-learn",
    ] {
        check(not, &[]);
    }
}

#[test]
fn private_keys_whole_and_cut() {
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----";
    check(key, &[&format!("private_key={key}")]);
    let cut = "-----BEGIN PRIVATE KEY-----\nMIIBVgIBADANBgkqhkiG9w0BAQEFAASC";
    assert_eq!(found(cut, true), [format!("private_key={cut}")]);
    check("-----BEGIN CERTIFICATE-----\nMIIB", &[]);
}

#[test]
fn what_the_limit_cut_is_found_by_its_beginning() {
    for (text, kind) in [
        ("4111 1111 11", "payment_card"),
        ("eyJhbGciOiJIUzI1", "jwt"),
        ("bob@exa", "email"),
        ("DE89 3704 0044", "iban"),
        ("ghp_16C7", "cloud_key"),
    ] {
        let text = format!("see {text}");
        assert_eq!(
            found(&text, true),
            [format!("{kind}={}", &text[4..])],
            "{text}"
        );
        let hits = found(&text, false);
        assert!(!hits.iter().any(|hit| hit.starts_with(kind)), "{hits:?}");
    }
}

proptest! {
    /// The gate for short texts lets nothing pass that is found behind it.
    #[test]
    fn what_is_too_little_holds_nothing(
        text in "([A-Za-z]{0,9}|[0-9]{1,7}|GB|AB123456|IT|sk-|eyJ|Basic |[-+(.: /_@=]){0,6}",
    ) {
        let text = Text { bytes: text.as_bytes(), is_cut: false, addresses: false };
        let mut hits = Vec::new();
        scan_all(text, &mut hits);
        prop_assert!(!is_too_little(text) || hits.is_empty(), "{hits:?}");
    }
}
