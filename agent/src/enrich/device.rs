//! The client's program, as its User-Agent field says.
//!
//! Programs that are no browsers name themselves first, and are told by a table of our own; browsers,
//! crawlers and devices that pretend to be one another by `woothee`'s rules. Each text is read once
//! and shared: a host hears few of them, and how many are kept is bounded.

mod products;

use std::sync::Arc;

use super::generations::Generations;
use crate::exchange::{AgentClass, Device};
use products::{Product, product, scanner};

/// Most texts that are kept, twice over: see [`Generations`].
const KEPT: usize = 2048;

/// Longer ones make no sense. The longest of browsers have 300 bytes, those of applications in a
/// social network's own browser 600.
const TEXT_MAX_BYTES: usize = 1024;

/// Longest name or version that is reported, bytes.
const WORD_MAX_BYTES: usize = 64;

/// Reads User-Agent fields, and remembers what they said.
pub(super) struct Devices {
    known: Generations<Box<[u8]>, Arc<Device>>,
    absurd: Arc<Device>,
    parser: woothee::parser::Parser,
}

impl Devices {
    pub(super) fn new() -> Self {
        Self {
            known: Generations::new(KEPT),
            absurd: Arc::default(),
            parser: woothee::parser::Parser::new(),
        }
    }

    /// What `text` says.
    pub(super) fn read(&mut self, text: &[u8]) -> Arc<Device> {
        if let Some(device) = self.known.get(text) {
            return Arc::clone(device);
        }
        let Some(sensible) = sensible(text) else {
            return Arc::clone(&self.absurd);
        };
        let device = Arc::new(self.parse(sensible));
        self.known.insert(text.into(), Arc::clone(&device));
        device
    }

    fn parse(&self, text: &str) -> Device {
        if let Some(name) = scanner(text) {
            let version = version_of(text, name);
            return device(name, version, own_os(text), Some(AgentClass::Scanner));
        }
        let (name, version) = first_product(text);
        match product(name) {
            Some(Product { name, class }) => {
                return device(name, version, own_os(text), Some(class));
            }
            // An application for Apple's systems names itself, and then the library below it.
            None if text.contains(" CFNetwork/") => {
                return device(name, version, "iOS", Some(AgentClass::MobileApp));
            }
            None => {}
        }
        let told = self.parser.parse(text);
        let class = told.as_ref().and_then(|told| match told.category {
            "crawler" => Some(AgentClass::Bot),
            "smartphone" | "mobilephone" if told.name == "Webview" => Some(AgentClass::MobileApp),
            "pc" | "smartphone" | "mobilephone" | "appliance" if told.browser_type == "browser" => {
                Some(AgentClass::Browser)
            }
            "misc" if told.name == "HTTP Library" => Some(AgentClass::Library),
            _ => None,
        });
        match told {
            Some(told) if class.is_some() => {
                let (name, version) = match class {
                    Some(AgentClass::Library) if !name.is_empty() => (name, version),
                    _ if told.name == SOME_CRAWLER => crawler(text).unwrap_or((name, version)),
                    _ => (told.name, told.version),
                };
                device(known(name), known(version), known(told.os), class)
            }
            // It names itself, and nobody knows it.
            _ if !version.is_empty() => {
                let os = own_os(text);
                let on_phone = matches!(os, "Android" | "iOS");
                device(name, version, os, on_phone.then_some(AgentClass::MobileApp))
            }
            _ => Device::default(),
        }
    }
}

/// What woothee calls a crawler that it knows for one by a word alone.
const SOME_CRAWLER: &str = "misc crawler";

/// Name and version of a crawler, by the word that says that it is one.
fn crawler(text: &str) -> Option<(&str, &str)> {
    let words = text.split([' ', '(', ')', ';', ',', '+']);
    let mut named = words.filter(|word| {
        let lower = word.to_ascii_lowercase();
        let is_one = ["bot", "crawl", "spider"]
            .iter()
            .any(|kind| lower.contains(kind));
        is_one && !word.contains([':', '@'])
    });
    named.next().map(first_product)
}

/// `text`, if it could be what a program calls itself.
fn sensible(text: &[u8]) -> Option<&str> {
    let text = str::from_utf8(text).ok()?.trim();
    let fits = text.len() <= TEXT_MAX_BYTES && text.contains(|c: char| c.is_alphanumeric());
    (fits && !text.contains(char::is_control)).then_some(text)
}

fn device(name: &str, version: &str, os: &str, class: Option<AgentClass>) -> Device {
    Device {
        name: name.into(),
        version: version.into(),
        os: current(os).into(),
        class,
    }
}

/// A system by the name that its maker gives it now.
fn current(os: &str) -> &str {
    match os {
        "iPhone" | "iPad" | "iPod" => "iOS",
        "Mac OSX" => "macOS",
        os => os,
    }
}

/// What woothee says, nothing where it says that it does not know.
fn known(word: &str) -> &str {
    if word == woothee::woothee::VALUE_UNKNOWN {
        ""
    } else {
        word
    }
}

/// Name and version of the first product (RFC 9110 §10.1.5): `curl/8.5.0`, `Go-http-client/1.1`,
/// `kube-probe/1.29`, `PostmanRuntime/7.36`, `axios`. Empty where there is none.
fn first_product(text: &str) -> (&str, &str) {
    let end = text.find([' ', '(', ';', ',']).unwrap_or(text.len());
    let word = text.get(..end).unwrap_or_default();
    let (name, version) = word.split_once('/').unwrap_or((word, ""));
    let version = version.split('/').next().unwrap_or(version);
    let fits = |word: &str| word.len() <= WORD_MAX_BYTES;
    let version = if version.starts_with(|c: char| c.is_ascii_digit() || c == 'v') && fits(version)
    {
        version
    } else {
        ""
    };
    if fits(name) {
        (name, version)
    } else {
        ("", "")
    }
}

/// The version that stands behind `name` and a `/` in `text`, in any case.
fn version_of<'t>(text: &'t str, name: &str) -> &'t str {
    let at = text.to_ascii_lowercase().find(&name.to_ascii_lowercase());
    let behind = at.and_then(|at| text.get(at + name.len()..)).unwrap_or("");
    let behind = behind.strip_prefix(['/', ' ']).unwrap_or("");
    let version = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let end = behind.find(|c| !version(c)).unwrap_or(behind.len());
    behind
        .get(..end.min(WORD_MAX_BYTES))
        .filter(|version| version.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or("")
}

/// The operating system that a program of no browser's kind names.
fn own_os(text: &str) -> &'static str {
    const WORDS: &[(&str, &str)] = &[
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("iPad", "iOS"),
        ("iOS", "iOS"),
        ("Darwin", "macOS"),
        ("Mac OS X", "macOS"),
        ("macOS", "macOS"),
        ("Windows", "Windows"),
        ("linux", "Linux"),
        ("Linux", "Linux"),
        ("FreeBSD", "FreeBSD"),
    ];
    let found = WORDS.iter().find(|(word, _)| text.contains(word));
    found.map_or("", |(_, os)| os)
}

#[cfg(test)]
mod tests {
    use super::Devices;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let device = Devices::new().read(text.as_bytes());
        let class = device.class.map_or("-", crate::exchange::AgentClass::name);
        let told = format!("{}|{}|{}|{class}", device.name, device.version, device.os);
        assert_eq!(told, expected, "{text}");
    }

    #[test]
    fn programs_that_name_themselves_are_told_by_their_name() {
        check("curl/8.5.0", "curl|8.5.0||tool");
        check("Wget/1.21.3 (linux-gnu)", "Wget|1.21.3|Linux|tool");
        check("PostmanRuntime/7.36.1", "Postman|7.36.1||tool");
        check("Go-http-client/1.1", "Go-http-client|1.1||library");
        check("python-requests/2.31.0", "python-requests|2.31.0||library");
        check("Python/3.11 aiohttp/3.9.1", "Python|3.11||library");
        check("okhttp/4.12.0", "okhttp|4.12.0||library");
        check("axios/1.6.2", "axios|1.6.2||library");
        check("Java/17.0.9", "Java|17.0.9||library");
        check(
            "Apache-HttpClient/4.5.14 (Java/17)",
            "Apache-HttpClient|4.5.14||library",
        );
        check("kube-probe/1.29", "kube-probe|1.29||bot");
        check("my-service/3.2", "my-service|3.2||-");
    }

    #[test]
    fn browsers_and_applications_are_told_apart() {
        check(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
            "Chrome|120.0.0.0|Windows 10|browser",
        );
        check(
            "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0",
            "Firefox|121.0|Linux|browser",
        );
        check(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1",
            "Safari|17.1|iOS|browser",
        );
        check(
            "ShopApp/5.1.2 CFNetwork/1490.0.4 Darwin/23.2.0",
            "ShopApp|5.1.2|iOS|mobile_app",
        );
        check(
            "Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7)",
            "Dalvik|2.1.0|Android|mobile_app",
        );
        check(
            "MyShop/3.2.1 (iPhone; iOS 17.5; Scale/3.00)",
            "MyShop|3.2.1|iOS|mobile_app",
        );
        check(
            "Shop/1.0 (com.example.shop; build:7; iOS 17.5.0) Alamofire/5.9.1",
            "Shop|1.0|iOS|mobile_app",
        );
        check(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15",
            "Safari|17.1|macOS|browser",
        );
    }

    #[test]
    fn bots_and_scanners_say_so() {
        check(
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Googlebot|||bot",
        );
        check("GPTBot/1.2", "GPTBot|1.2||bot");
        check(
            "Mozilla/5.0 (compatible; SomeNewBot/7.0; +http://new.example/robot)",
            "SomeNewBot|7.0||bot",
        );
        check("+https://example.com/bot crawler", "crawler|||bot");
        check(
            "sqlmap/1.7.11#stable (https://sqlmap.org)",
            "sqlmap|1.7.11||scanner",
        );
        check(
            "Mozilla/5.00 (Nikto/2.1.6) (Evasions:None) (Test:Port Check)",
            "Nikto|2.1.6||scanner",
        );
        check(
            "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)",
            "Nuclei|||scanner",
        );
    }

    #[test]
    fn what_makes_no_sense_is_nothing() {
        for text in [
            "",
            "-",
            " ",
            "() { :; };",
            "<script>",
            "\u{1}curl/8",
            &"x".repeat(5000),
        ] {
            let device = Devices::new().read(text.as_bytes());
            assert_eq!(device.class, None, "{text}");
        }
        assert_eq!(
            *Devices::new().read(b"curl/8\xff"),
            super::Device::default()
        );
        check(&format!("{}/1", "x".repeat(100)), "|||-");
    }

    #[test]
    fn each_is_read_once_and_shared() {
        let mut devices = Devices::new();
        let first = devices.read(b"curl/8.5");
        assert!(std::sync::Arc::ptr_eq(&first, &devices.read(b"curl/8.5")));
        for n in 0..3 * super::KEPT {
            devices.read(format!("tool-{n}/1").as_bytes());
        }
        assert!(devices.known.len() <= 2 * super::KEPT);
    }
}
