//! Attempts against what the server did meanwhile, and tokens against secrets that everybody knows:
//! the one place where exchanges wait for what comes beside the flow.
//!
//! An act that led to an answer lies before it in the ring, so most attempts are settled at once. An
//! answer need not wait for what was begun for it, a child or a connect; so an attempt that an act
//! could still prove waits for [`WAIT_NS`] of event time, and of the clock where records come as they
//! happen. It lets others pass, and a full place lets the oldest go.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use super::guessing::{Asked, Guessing};
use crate::capture::Act;
use crate::clock::Ktime;
use crate::detect::score::{Effect, in_words};
use crate::exchange::{Exchange, Guess, Proof, ScoreHit};
use crate::lookup::Acts;

/// How long after its answer an act still counts for an exchange, and it waits for one. The finding
/// is to be in the sinks within a second.
const WAIT_NS: u64 = 300_000_000;

/// How much longer one waits for a guess: all that may be asked for before it, on a slow machine.
const GUESS_NS: u64 = 3_000_000_000;

/// How often the clock is looked at while attempts wait.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Exchanges that wait.
const WAITING_MAX: usize = 32;

/// Bytes that they hold; one may be larger.
const WAITING_BYTES: u64 = 4 << 20;

/// What is known of acts, and the attempts that wait for more.
#[derive(Debug, Default)]
pub(super) struct Proving {
    acts: Acts,
    waiting: VecDeque<Waiting>,
    waiting_bytes: u64,
    settled: Vec<Exchange>,
    now: Ktime,
    live: bool,
    guessing: Option<Guessing>,
    /// Tokens that could not be tried, since it was asked last.
    refused: u64,
}

#[derive(Debug)]
struct Waiting {
    exchange: Exchange,
    until: Ktime,
    since: Instant,
    bytes: u64,
    /// The guess that it waits for.
    guess: Option<u64>,
}

impl Proving {
    /// One that knows of no acts; `live` if records come as they happen.
    pub(super) fn new(live: bool) -> Self {
        Self {
            live,
            ..Self::default()
        }
    }

    /// Guesses the secrets of tokens too.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn guessing(self) -> io::Result<Self> {
        Ok(Self {
            guessing: Some(Guessing::start(self.live)?),
            ..self
        })
    }

    /// Takes an exchange whose content is read.
    pub(super) fn take(&mut self, mut exchange: Exchange) {
        let (_, until) = span(&exchange);
        self.pass_time(Ktime(until.0.saturating_sub(WAIT_NS)));
        let guess = self.guess(&mut exchange);
        if self.settle(&mut exchange) && guess.is_none() {
            return self.settled.push(exchange);
        }
        let until = guess.map_or(until, |_| until.plus(GUESS_NS));
        let bytes = exchange.held_bytes() as u64;
        self.waiting_bytes += bytes;
        self.waiting.push_back(Waiting {
            exchange,
            until,
            since: Instant::now(),
            bytes,
            guess,
        });
        while self.waiting.len() > WAITING_MAX
            || self.waiting.len() > 1 && self.waiting_bytes > WAITING_BYTES
        {
            self.release(0);
        }
    }

    /// Takes acts, in the order of the ring.
    pub(super) fn acts(&mut self, acts: Vec<Act>) {
        let latest = acts.iter().map(|act| act.time).max();
        acts.into_iter().for_each(|act| self.acts.add(act));
        for at in (0..self.waiting.len()).rev() {
            let Some(mut one) = self.waiting.remove(at) else {
                continue;
            };
            if self.settle(&mut one.exchange) && one.guess.is_none() {
                self.waiting_bytes -= one.bytes;
                self.settled.push(one.exchange);
            } else {
                self.waiting.insert(at, one);
            }
        }
        self.pass_time(latest.unwrap_or_default());
    }

    /// The exchanges that wait.
    pub(super) fn waiting(&mut self) -> impl Iterator<Item = &mut Exchange> {
        self.waiting.iter_mut().map(|one| &mut one.exchange)
    }

    /// How long may be waited for more; `None` for as long as it takes.
    pub(super) fn patience(&self) -> Option<Duration> {
        (self.live && !self.waiting.is_empty()).then_some(LOOK_EVERY)
    }

    /// Looks at the clock, and for guesses.
    pub(super) fn look(&mut self) {
        while let Some((number, secret)) = self.guessing.as_ref().and_then(Guessing::answer) {
            let mut waiting = self.waiting.iter();
            if let Some(at) = waiting.position(|one| one.guess == Some(number)) {
                self.guessed(at, secret);
            }
        }
        if self.live {
            let is_over = |one: &Waiting| {
                let wait = WAIT_NS + one.guess.map_or(0, |_| GUESS_NS);
                one.since.elapsed() >= Duration::from_nanos(wait)
            };
            while let Some(over) = self.waiting.iter().position(is_over) {
                self.release(over);
            }
        }
    }

    /// Tokens that could not be tried since the last call.
    pub(super) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    /// Asks for the secret of its token; the number of the answer, if there will be one.
    fn guess(&mut self, exchange: &mut Exchange) -> Option<u64> {
        let guess = exchange.known.guess.take()?;
        match self.guessing.as_mut()?.ask(&guess, span(exchange).0) {
            Asked::Number(number) => {
                exchange.known.guess = Some(guess);
                return Some(number);
            }
            Asked::Known(secret) => tell(exchange, *guess, secret),
            Asked::Refused => self.refused += 1,
        }
        None
    }

    /// The exchange at `at` has its answer, and goes on.
    fn guessed(&mut self, at: usize, secret: Option<String>) {
        let Some(mut one) = self.waiting.remove(at) else {
            return;
        };
        if let Some(guess) = one.exchange.known.guess.take() {
            tell(&mut one.exchange, *guess, secret);
        }
        self.waiting_bytes -= one.bytes;
        self.settled.push(one.exchange);
    }

    /// Nothing comes any more.
    pub(super) fn finish(&mut self) {
        self.pass_time(Ktime(u64::MAX));
    }

    /// The exchanges that wait for nothing any more, in the order in which they are to go on.
    pub(super) fn settled(&mut self) -> Vec<Exchange> {
        std::mem::take(&mut self.settled)
    }

    /// Bytes of those that wait.
    pub(super) const fn held_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    fn pass_time(&mut self, now: Ktime) {
        self.now = self.now.max(now);
        while let Some(due) = self.waiting.iter().position(|one| one.until < self.now) {
            self.release(due);
        }
    }

    fn release(&mut self, at: usize) {
        if let Some(mut one) = self.waiting.remove(at) {
            if one.exchange.known.guess.take().is_some() {
                self.refused += 1;
            }
            self.waiting_bytes -= one.bytes;
            self.settled.push(one.exchange);
        }
    }

    /// Looks for acts that prove what was found in an exchange; false if more may still come.
    fn settle(&mut self, exchange: &mut Exchange) -> bool {
        if exchange.known.scores.hits.is_empty() {
            return true;
        }
        let (server, during) = (exchange.conn.open.tgid, span(exchange));
        let known = &mut exchange.known;
        let mut settled = true;
        for hit in &known.scores.hits {
            let proven = |proof: &Proof| proof.detector == hit.detector;
            if !hit.proof.is_empty() || known.proofs.iter().any(proven) {
                continue;
            }
            let Some(effect) = Effect::of(hit) else {
                continue;
            };
            match self.acts.find(server, during, |act| effect.is(act)) {
                Some(act) => known.proofs.push(Proof {
                    detector: hit.detector,
                    act: in_words(act).into(),
                }),
                None => settled = false,
            }
        }
        settled
    }
}

/// Adds what was guessed to what was found.
fn tell(exchange: &mut Exchange, guess: Guess, secret: Option<String>) {
    if let Some(secret) = secret {
        let scores = &mut exchange.known.scores;
        scores.highest = scores.highest.max(guess.hit.score);
        scores.hits.push(ScoreHit {
            fragment: secret.into_bytes().into(),
            ..guess.hit
        });
    }
}

/// Between which times an act counts for an exchange.
fn span(exchange: &Exchange) -> (Ktime, Ktime) {
    let halves = [&exchange.request, &exchange.response].map(Option::as_ref);
    let halves = halves.into_iter().flatten();
    let began = halves.clone().map(|half| half.began).min();
    let ended = halves.map(|half| half.ended).max();
    let began = began.unwrap_or_default();
    (began, ended.unwrap_or(began).plus(WAIT_NS))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, OnceLock};

    use super::{Proving, WAIT_NS, WAITING_MAX};
    use crate::capture::{Act, Deed};
    use crate::clock::Ktime;
    use crate::content::{Container, Layers};
    use crate::exchange::{Exchange, Guess, ScoreHit};
    use crate::pipeline::Reading;
    use crate::pipeline::recorded::requests;

    const SERVER: u32 = 7;
    const BEGAN: u64 = 10_000_000_000;
    const ENDED: u64 = BEGAN + 1_000_000;

    /// An exchange that asks for `target` and was answered a millisecond later, read.
    fn exchange(target: &str, began: u64) -> Exchange {
        // Building the grammars is dear.
        static READ: OnceLock<[Exchange; 2]> = OnceLock::new();
        let read = READ.get_or_init(|| {
            let mut reading = Reading::new().unwrap();
            [ATTACK, PLAIN].map(|target| {
                let line = format!(r#"{{"method":"GET","path":"{target}","status":404}}"#);
                let mut exchange = requests(line.as_bytes(), 0).unwrap().exchange;
                reading.read(&mut exchange);
                exchange
            })
        });
        let mut exchange = read[usize::from(target == PLAIN)].clone();
        Arc::make_mut(&mut exchange.conn).open.tgid = SERVER;
        for half in [&mut exchange.request, &mut exchange.response] {
            let half = half.as_mut().unwrap();
            (half.began, half.ended) = (Ktime(began), Ktime(began + 1_000_000));
        }
        exchange
    }

    fn runs(script: &str, time: u64) -> Act {
        Act {
            time: Ktime(time),
            server: SERVER,
            tgid: 8,
            tid: 8,
            deed: Deed::Exec {
                program: b"/bin/sh".to_vec(),
                arguments: [b"sh\0-c\0", script.as_bytes(), b"\0"].concat(),
            },
        }
    }

    const ATTACK: &str = "/ping?host=127.0.0.1;cat%20/etc/passwd";
    const PLAIN: &str = "/plain";
    const SCRIPT: &str = "ping 127.0.0.1;cat /etc/passwd";

    /// What is proven of the attack where the server runs `script` at `time`, before its exchange is
    /// taken in or `late`; and whether the exchange went on at once.
    #[track_caller]
    fn check(script: &str, time: u64, late: bool, expected: Option<&str>) {
        let mut proving = Proving::new(false);
        let act = runs(script, time);
        if !late {
            proving.acts(vec![act.clone()]);
        }
        proving.take(exchange(ATTACK, BEGAN));
        let at_once = proving.settled();
        assert_eq!(at_once.len(), usize::from(!late && expected.is_some()));
        if late {
            proving.acts(vec![act]);
        }
        let mut settled = [at_once, proving.settled()].concat();
        assert_eq!(settled.len(), usize::from(expected.is_some()));
        proving.finish();
        settled.extend(proving.settled());
        let [exchange] = settled.as_slice() else {
            panic!("{} exchanges", settled.len());
        };
        let proven = exchange.known.proofs.first().map(|proof| &*proof.act);
        assert_eq!(proven, expected);
        assert_eq!(proving.held_bytes(), 0);
    }

    #[test]
    fn a_child_that_holds_the_value_proves_it_before_the_answer_and_soon_after() {
        let proof = Some("child process /bin/sh (8)");
        check(SCRIPT, BEGAN + 500, false, proof);
        check(SCRIPT, ENDED + WAIT_NS, true, proof);
    }

    #[test]
    fn time_alone_proves_nothing() {
        for late in [false, true] {
            check("rotate-logs --now", BEGAN + 500, late, None);
            check(SCRIPT, BEGAN - 1, late, None);
        }
    }

    #[test]
    fn what_waits_goes_on_when_its_time_is_over_and_holds_nobody_up() {
        let mut proving = Proving::new(false);
        proving.take(exchange(ATTACK, BEGAN));
        proving.take(exchange(PLAIN, BEGAN + 10));
        assert_eq!(proving.settled().len(), 1, "others pass");
        proving.take(exchange(PLAIN, ENDED + WAIT_NS));
        assert_eq!(proving.settled().len(), 2, "it is over, and comes first");
        assert!(proving.patience().is_none());
    }

    /// Signed with `secret`, and with one that nobody knows.
    const WEAK: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.XbPfbIHMI6arZ3Y922BhjWgQzWXcXNrz0ogtVhfEd2o";
    const STRONG: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiIyIn0.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    #[test]
    fn a_known_secret_is_guessed_once_while_others_pass() {
        let take = |proving: &mut Proving, tokens: &[&str]| {
            let mut reading = Reading::new().unwrap().leaving_guesses();
            for token in tokens {
                let line = format!(
                    r#"{{"method":"GET","path":"/me","headers":{{"Authorization":"Bearer {token}"}},"status":200}}"#
                );
                let mut exchange = requests(line.as_bytes(), 0).unwrap().exchange;
                reading.read(&mut exchange);
                proving.take(exchange);
            }
        };
        for live in [false, true] {
            let mut proving = Proving::new(live).guessing().unwrap();
            // The list is unpacked with the first token, which takes its time where nothing is optimised.
            take(&mut proving, &[WEAK]);
            while proving.settled().is_empty() {
                std::thread::yield_now();
                proving.look();
            }
            proving.take_refused();
            take(&mut proving, &[WEAK, STRONG, WEAK]);
            let mut settled = proving.settled();
            assert_eq!(settled.len(), if live { 1 } else { 3 });
            while settled.len() < 3 {
                std::thread::yield_now();
                proving.look();
                settled.extend(proving.settled());
            }
            let found = settled.iter().flat_map(|one| &one.known.scores.hits);
            let found: Vec<_> = found.filter(|hit| hit.detector == "jwt-03").collect();
            let [hit] = found.as_slice() else {
                panic!("{} findings", found.len());
            };
            assert_eq!(&*hit.fragment, "s… (6 bytes)".as_bytes());
            assert_eq!(proving.take_refused(), 0);
            assert!(settled.iter().all(|one| one.known.guess.is_none()));
        }
    }

    #[test]
    fn made_up_issuers_are_refused_and_counted() {
        let mut proving = Proving::new(true).guessing().unwrap();
        let mut exchange = exchange(PLAIN, BEGAN);
        for n in 0..100 {
            exchange.known.guess = Some(Box::new(Guess {
                token: format!("made up {n}").into_bytes().into(),
                hit: ScoreHit {
                    detector: "jwt-03",
                    rule: "",
                    score: 5,
                    part: "".into(),
                    container: Container::Target,
                    range: 0..0,
                    fragment: Box::default(),
                    layers: Layers::NONE,
                    proof: "",
                },
            }));
            proving.take(exchange.clone());
        }
        let refused = proving.take_refused();
        assert!((100 - 16..100).contains(&refused), "{refused}");
        proving.finish();
        assert_eq!(proving.settled().len(), 100);
    }

    #[test]
    fn as_many_wait_as_there_is_room_for() {
        let mut proving = Proving::new(true);
        for _ in 0..WAITING_MAX + 3 {
            proving.take(exchange(ATTACK, BEGAN));
        }
        assert_eq!(proving.settled().len(), 3);
        assert!(proving.patience().is_some());
    }
}
