//! EXF-03: a list read from end to end.

use serde::{Deserialize, Serialize};

use crate::detect::incident::{About, mix};
use crate::detect::query;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::{Table, Worth};
use crate::event::{Outcome, Severity};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Exf03,
    name: "scraping",
    family: Family::Data,
    version: 1,
    impact: Severity::Medium,
    threshold: 20,
    window_s: 600,
    owasp: &["API6:2023", "API4:2019"],
    cwe: &[799],
    attack: &["T1213"],
    means: "A whole list is read, page by page.",
    decides: "20 different pages of one list by one account in 10 minutes, by a parameter like page, offset or start: three of four in order, up or down, or in any order half of all there are \
        between the first and the last. Who read as many pages in peace before, \
        while the endpoint was new, is taken to do that as a job.",
    fools: "Cursors that are no numbers; one page every half minute and more; many accounts with some pages each.",
    advice: "See how much was read and how large its pages were (`limit`). Limit the page size and the number of pages an hour.",
};

/// Parameters that choose a page.
const NAMES: &[&[u8]] = &[
    b"page",
    b"p",
    b"offset",
    b"start",
    b"skip",
    b"from",
    b"pagenumber",
    b"page_number",
    b"pageno",
    b"page[number]",
    b"page[offset]",
    b"startindex",
    b"start_index",
];

/// Steps from page to page at which older ones begin to count for less.
const STEPS_MAX: u32 = 64;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Pages {
    pages: Tally,
    last: u64,
    /// How often the next one was a later page, and an earlier one: of the last some dozens.
    up: u32,
    down: u32,
    /// The first page and the last, and what all distances between pages are multiples of.
    low: u64,
    high: u64,
    step: u64,
    /// The most pages in a window while the endpoint was being learnt.
    most: u64,
}

impl Worth for Pages {
    fn worth(&self) -> u64 {
        self.pages.worth().max(self.most)
    }
}

impl Pages {
    /// Takes in which page is read next; the first of a window begins anew.
    fn turn(&mut self, page: u64, first: bool) {
        if first {
            (self.up, self.down, self.step) = (0, 0, 0);
            (self.low, self.high, self.last) = (page, page, page);
            return;
        }
        if self.up + self.down >= STEPS_MAX {
            self.up /= 2;
            self.down /= 2;
        }
        self.up += u32::from(page > self.last);
        self.down += u32::from(page < self.last);
        self.step = common(self.step, page.abs_diff(self.last));
        self.low = self.low.min(page);
        self.high = self.high.max(page);
        self.last = page;
    }

    /// Whether `count` different pages are a list that is read, and not places here and there in it.
    fn is_reading(&self, count: u64) -> bool {
        // Of places in no order half are later ones: three of four are not.
        let steps = self.up + self.down;
        let in_order = steps > 0 && self.up.max(self.down) * 4 >= steps * 3;
        let between = (self.high - self.low).checked_div(self.step);
        in_order || between.is_some_and(|between| between < count * 2)
    }
}

/// The greatest number that both are multiples of.
const fn common(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Paging {
    actors: Table<Pages, 4096, { 7 * 86_400 }>,
}

impl Paging {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let facts = scene.facts;
        if facts.query.is_empty() {
            return;
        }
        let (Some(setting), Some(page)) = (scene.setting(&ROW), query::number(facts.query, NAMES))
        else {
            return;
        };
        let key = mix(scene.keys.actor, scene.keys.endpoint);
        let learnt = scene.endpoint_is_learnt();
        let Some(pages) = self.actors.entry(key, scene.now_s) else {
            return;
        };
        let count = pages
            .pages
            .distinct(page << 32 | page, scene, setting.window_s);
        let first = pages.pages.counts.total() == 1;
        pages.turn(page, first);
        let threshold = setting.threshold.max(pages.most + pages.most / 2);
        if count < threshold || !pages.is_reading(count) {
            if !learnt && !scene.flagged && count < setting.threshold {
                pages.most = pages.most.max(count);
            }
            return;
        }
        let size = query::number(
            facts.query,
            &[
                b"limit",
                b"size",
                b"per_page",
                b"pagesize",
                b"page_size",
                b"count",
            ],
        );
        let said = Said {
            key,
            about: About::ActorAt,
            count,
            threshold: Some(threshold),
            outcome: Outcome::Answered,
            confidence: 0.8,
            tally: Some(&pages.pages),
            remark: size.map(|size| format!("{size} to a page")),
            title: &|n| format!("{n} pages of a list read by one caller"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
