//! AUTH-07: which accounts there are, found out by asking.

use serde::{Deserialize, Serialize};

use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::{Table, Worth};
use crate::event::{Severity, Signal};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Auth07,
    name: "user enumeration",
    family: Family::Auth,
    version: 2,
    impact: Severity::Medium,
    threshold: 15,
    window_s: 600,
    owasp: &["API2:2023", "API2:2019"],
    cwe: &[204],
    attack: &["T1589"],
    means: "Somebody asks for one name after another, and the answers tell which accounts exist.",
    decides: "15 different names from one address in 10 minutes on routes for login, sign-up and password reset, with answers of at least two statuses: \
        an answer that is always the same tells nothing, and one that says to wait is none. Where it is a spray (auth-03), that is what is reported. \
        Or with answers of one status on one route whose texts differ by turns: two texts, each three times or more, left and come back to three times, \
        read without the name, numbers, mail addresses and identifiers in them, up to 8 KiB and only if seen whole.",
    fools: "Answers that differ in time alone, or in pages of more than 8 KiB. Names asked from many addresses.",
    advice: "Make the answer the same whether or not the account exists, and limit how often it may be asked.",
};

/// Names asked for, and the answers that came back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Asked {
    names: Tally,
    answers: Vec<Answer>,
    /// How often one text was left and came back.
    turns: u32,
    /// Text of the last answer.
    last: u64,
}

/// What was answered on one route.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Answer {
    route: u64,
    status: u16,
    /// What it said; 0 where that is not known.
    text: u64,
    n: u32,
}

impl Worth for Asked {
    fn worth(&self) -> u64 {
        self.names.worth()
    }
}

/// Answers that are told apart. One more takes the place of the oldest that came once.
const ANSWERS_MAX: usize = 12;

/// How often each of two texts must have come.
const TEXTS_MIN: u32 = 3;

/// How often a text must have come back: where a limit is reached, one text follows another for good.
const TURNS_MIN: u32 = 3;

impl Asked {
    /// Counts an answer.
    fn answered(&mut self, answer: Answer) {
        let is_known = |known: &&mut Answer| {
            (known.route, known.status, known.text) == (answer.route, answer.status, answer.text)
        };
        if let Some(known) = self.answers.iter_mut().find(is_known) {
            known.n = known.n.saturating_add(1);
            if answer.text != 0 && self.last != answer.text {
                self.turns = self.turns.saturating_add(1);
            }
        } else {
            if self.answers.len() >= ANSWERS_MAX
                && let Some(once) = self.answers.iter().position(|known| known.n == 1)
            {
                self.answers.remove(once);
            }
            if self.answers.len() < ANSWERS_MAX {
                self.answers.push(answer);
            }
        }
        self.last = answer.text;
    }

    /// The statuses of one route where two of them are common, a refusal among them: one that works once
    /// among failures is a password guessed.
    fn by_status(&self) -> Option<String> {
        self.answers.iter().find_map(|first| {
            let mut statuses: Vec<(u16, u32)> = Vec::new();
            let of_route = self.answers.iter().filter(|one| one.route == first.route);
            for one in of_route {
                match statuses.iter_mut().find(|(known, _)| *known == one.status) {
                    Some((_, n)) => *n = n.saturating_add(one.n),
                    None => statuses.push((one.status, one.n)),
                }
            }
            let common = || statuses.iter().filter(|(_, n)| *n >= 2);
            let split = common().count() >= 2 && common().any(|(status, _)| *status >= 400);
            let status = |(status, n): &(u16, u32)| format!("{status} ({n})");
            split.then(|| statuses.iter().map(status).collect::<Vec<_>>().join(", "))
        })
    }

    /// How often each text came where two of one route and status are common and come by turns.
    fn by_text(&self, at_least: u64) -> Option<String> {
        self.answers.iter().find_map(|first| {
            let alike = |one: &&Answer| {
                (one.route, one.status) == (first.route, first.status)
                    && one.text != 0
                    && one.n >= TEXTS_MIN
            };
            let counts: Vec<u32> = self.answers.iter().filter(alike).map(|one| one.n).collect();
            let all: u64 = counts.iter().map(|n| u64::from(*n)).sum();
            let split = counts.len() >= 2 && all >= at_least && self.turns >= TURNS_MIN;
            let counts = || counts.iter().map(u32::to_string).collect::<Vec<_>>();
            split.then(|| {
                format!(
                    "{} in {} texts ({} times)",
                    first.status,
                    counts().len(),
                    counts().join(", ")
                )
            })
        })
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Enumeration {
    clients: Table<Asked, 4096, 1200>,
}

impl Enumeration {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let asks = scene.has(Signal::SensitiveLogin) || scene.has(Signal::SensitiveAccount);
        let (Some(setting), true) = (scene.setting(&ROW), asks) else {
            return;
        };
        let keys = scene.keys;
        if keys.login == 0 || keys.client == 0 || scene.facts.status == 0 {
            return;
        }
        let Some(asked) = self.clients.entry(keys.client, scene.now_s) else {
            return;
        };
        let names = asked.names.distinct(keys.login, scene, setting.window_s);
        if asked.names.counts.total() == 1 {
            (asked.answers, asked.turns, asked.last) = (Vec::new(), 0, 0);
        }
        if !scene.has(Signal::RateLimited) {
            // What is said to whom signed in is theirs.
            let text = scene.facts.answer.filter(|_| !scene.signed_in());
            asked.answered(Answer {
                route: keys.endpoint,
                status: scene.facts.status,
                text: text.unwrap_or(0),
                n: 1,
            });
        }
        let threshold = setting.threshold * scene.shared;
        if names < threshold {
            return;
        }
        // A spray is told as such; that its answers tell accounts apart by their text is told beside it.
        let spray =
            scene.is_open(Id::Auth03, keys.client) || scene.is_open(Id::Auth02, keys.client);
        let by_status = asked.by_status().filter(|_| !spray);
        let Some(answers) = by_status.or_else(|| asked.by_text(threshold)) else {
            return;
        };
        let said = Said {
            key: keys.client,
            about: About::Client,
            count: names,
            threshold: Some(threshold),
            tally: Some(&asked.names),
            sample: scene.facts.login,
            by_address: true,
            title: &|n| format!("{n} account names asked for by one address, answered {answers}"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
