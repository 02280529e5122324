//! Which event goes to which partition under which sequence, so that a broker knows what comes twice.
//!
//! A broker keeps of each producer the sequences of its last five batches a partition, and answers a batch
//! that it has as if it had just kept it. So a batch that may have arrived is sent again as it was: the same
//! events under the same sequences, whether the answer was lost or the agent killed. What is under way is
//! therefore kept with the cursor, before it is sent.
//!
//! Pure: it knows neither brokers nor files.

use std::collections::BTreeMap;
use std::hash::Hasher as _;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use super::record::Sender;
use crate::sink::batch::Item;

/// Most bytes of records, before compression, in one batch: brokers take 1 MiB (`message.max.bytes`).
const BATCH_MAX_BYTES: usize = 900 << 10;

/// What is known of the producer that the cluster made for us.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Plan {
    /// Its number and epoch; none if it has yet to be asked for.
    producer: Option<(i64, i16)>,
    lanes: BTreeMap<i32, Lane>,
}

/// One partition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Lane {
    /// The sequence of the next record.
    next: i32,
    /// What was sent, or is about to be, since the cursor was moved.
    sent: Vec<Sent>,
    /// Most records in a batch, after one was too large.
    #[serde(skip)]
    most: Option<usize>,
}

/// One batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sent {
    /// The sequence of its first record.
    sequence: i32,
    events: usize,
    /// Hash of their ids.
    print: u64,
    /// Whether the broker has answered that it has it.
    #[serde(skip)]
    settled: bool,
    /// The broker refused it for good: it took no sequence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    refused: bool,
}

/// A batch to be sent: events by their places among those that were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shipment {
    pub(super) partition: i32,
    pub(super) sender: Sender,
    pub(super) places: Vec<usize>,
    /// It was refused before: it need not be sent.
    pub(super) refused: bool,
}

/// An event on its way to a partition.
pub(super) struct Routed<'a> {
    pub(super) item: Item<'a>,
    pub(super) partition: i32,
    /// Bytes of its record, at most.
    pub(super) bytes: usize,
}

/// The events are not those that were under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mismatch;

impl Plan {
    /// Whether a producer must be asked for first.
    pub(super) const fn lacks_producer(&self) -> bool {
        self.producer.is_none()
    }

    /// Begins with a new producer. What is under way is forgotten: it may come twice.
    pub(super) fn begin(&mut self, producer: i64, epoch: i16) {
        *self = Self {
            producer: Some((producer, epoch)),
            lanes: BTreeMap::new(),
        };
    }

    /// Forgets the producer, which the cluster knows no more.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// How many events were under way when this was kept: so many must be given before more is planned.
    pub(super) fn under_way(&self) -> usize {
        let sent = self.lanes.values().flat_map(|lane| &lane.sent);
        let open = sent.filter(|sent| !sent.settled);
        open.map(|sent| sent.events).sum()
    }

    /// What is to be sent of `events`, in their order in each partition; and whether that is more than is
    /// kept already, which must then be kept first.
    ///
    /// # Errors
    /// [`Mismatch`] if what was under way is not among them.
    pub(super) fn ship(
        &mut self,
        events: &[Routed<'_>],
    ) -> Result<(Vec<Shipment>, bool), Mismatch> {
        let Some((producer, epoch)) = self.producer else {
            return Err(Mismatch);
        };
        let mut queues: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
        for (place, event) in events.iter().enumerate() {
            queues.entry(event.partition).or_default().push(place);
        }
        let open = |lane: &Lane| lane.sent.iter().any(|sent| !sent.settled);
        let mut lanes = self.lanes.iter();
        if lanes.any(|(partition, lane)| open(lane) && !queues.contains_key(partition)) {
            return Err(Mismatch);
        }
        let (mut shipments, mut new) = (Vec::new(), false);
        for (partition, queue) in queues {
            let lane = self.lanes.entry(partition).or_default();
            new |= lane.ship(&queue, events, &mut |sent, places| {
                shipments.push(Shipment {
                    partition,
                    sender: Sender {
                        producer,
                        epoch,
                        sequence: sent.sequence,
                    },
                    places,
                    refused: sent.refused,
                });
            })?;
        }
        Ok((shipments, new))
    }

    /// The broker has `shipment`.
    pub(super) fn arrived(&mut self, shipment: &Shipment) {
        let Some(lane) = self.lanes.get_mut(&shipment.partition) else {
            return;
        };
        lane.most = None;
        let open = lane.sent.iter_mut().find(|sent| !sent.settled);
        if let Some(sent) = open {
            sent.settled = true;
        }
    }

    /// The broker will never have `shipment` as it is: whether that is the end of its one event. Of more,
    /// half as many are sent the next time.
    pub(super) fn refused(&mut self, shipment: &Shipment) -> bool {
        let Some(lane) = self.lanes.get_mut(&shipment.partition) else {
            return false;
        };
        let Some(at) = lane.sent.iter().position(|sent| !sent.settled) else {
            return false;
        };
        let one = shipment.places.len() == 1;
        if let Some(sent) = lane.sent.get_mut(at).filter(|sent| sent.refused) {
            sent.settled = true;
            return true;
        }
        // It took no sequence, so what was planned behind it is planned anew.
        lane.sent.truncate(at + usize::from(one));
        lane.next = shipment.sender.sequence;
        match lane.sent.get_mut(at) {
            Some(sent) => (sent.settled, sent.refused) = (true, true),
            None => lane.most = Some(shipment.places.len().div_ceil(2)),
        }
        one
    }

    /// The cursor moves behind all that was given.
    pub(super) fn passed(&mut self) {
        for lane in self.lanes.values_mut() {
            lane.sent.clear();
        }
    }
}

impl Lane {
    /// Gives `ship` each batch that is to be sent: those under way as they were, then the rest. Whether
    /// there is a rest.
    fn ship(
        &mut self,
        mut queue: &[usize],
        events: &[Routed<'_>],
        ship: &mut dyn FnMut(&Sent, Vec<usize>),
    ) -> Result<bool, Mismatch> {
        for sent in self.sent.iter().filter(|sent| !sent.settled) {
            let (places, rest) = queue.split_at_checked(sent.events).ok_or(Mismatch)?;
            if print(places, events) != sent.print {
                return Err(Mismatch);
            }
            ship(sent, places.to_vec());
            queue = rest;
        }
        let new = !queue.is_empty();
        while !queue.is_empty() {
            let mut bytes = 0;
            let fits = queue.iter().take_while(|place| {
                bytes += events.get(**place).map_or(0, |event| event.bytes);
                bytes <= BATCH_MAX_BYTES
            });
            let fits = fits.count().min(self.most.unwrap_or(usize::MAX)).max(1);
            let (places, rest) = queue.split_at_checked(fits).unwrap_or((queue, &[]));
            queue = rest;
            let sent = Sent {
                sequence: self.next,
                events: places.len(),
                print: print(places, events),
                settled: false,
                refused: false,
            };
            // After the greatest sequence comes 0.
            self.next = self.next.wrapping_add(places.len() as i32) & i32::MAX;
            ship(&sent, places.to_vec());
            self.sent.push(sent);
        }
        Ok(new)
    }
}

/// Tells these events, in this order, from others.
fn print(places: &[usize], events: &[Routed<'_>]) -> u64 {
    let mut hasher = SipHasher13::new();
    for event in places.iter().filter_map(|place| events.get(*place)) {
        hasher.write(event.item.id.as_bytes());
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::{Mismatch, Plan, Routed, Shipment};
    use crate::sink::batch::{Batch, batch};
    use crate::sink::format::Format;
    use proptest::prelude::*;

    fn events(numbers: std::ops::Range<usize>) -> Batch {
        let line = |n| format!(r#"{{"kind":"exchange","id":"{n}","time":""}}"#);
        let lines: Vec<String> = numbers.map(line).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        batch(Format::Eaves, &lines)
    }

    /// Each event by its number to one of three partitions.
    fn routed(batch: &Batch, bytes: usize) -> Vec<Routed<'_>> {
        let items = (0..batch.len()).filter_map(|at| batch.get(at));
        let routed = items.map(|item| Routed {
            item,
            partition: item.id.parse::<i32>().unwrap() % 3,
            bytes,
        });
        routed.collect()
    }

    /// Partition, sequence, and events of each shipment.
    fn told(shipments: &[Shipment]) -> Vec<(i32, i32, usize)> {
        let told = shipments.iter().map(|shipment| {
            let sequence = shipment.sender.sequence;
            (shipment.partition, sequence, shipment.places.len())
        });
        told.collect()
    }

    #[track_caller]
    fn check(plan: &mut Plan, batch: &Batch, expected: &[(i32, i32, usize)], new: bool) {
        let (shipments, found) = plan.ship(&routed(batch, 100)).unwrap();
        assert_eq!(told(&shipments), expected);
        assert_eq!(found, new);
    }

    fn begun() -> Plan {
        let mut plan = Plan::default();
        assert!(plan.lacks_producer());
        plan.begin(7, 0);
        plan
    }

    fn kept(plan: &Plan) -> Plan {
        serde_json::from_value(serde_json::to_value(plan).unwrap()).unwrap()
    }

    #[test]
    fn what_is_under_way_is_sent_as_it_was_though_more_has_come() {
        let mut plan = begun();
        check(
            &mut plan,
            &events(0..7),
            &[(0, 0, 3), (1, 0, 2), (2, 0, 2)],
            true,
        );
        // Nothing was answered: the same again, and nothing new to keep.
        check(
            &mut plan,
            &events(0..7),
            &[(0, 0, 3), (1, 0, 2), (2, 0, 2)],
            false,
        );
        // Killed, and more events are there.
        let mut plan = kept(&plan);
        assert_eq!(plan.under_way(), 7);
        check(
            &mut plan,
            &events(0..9),
            &[(0, 0, 3), (1, 0, 2), (1, 2, 1), (2, 0, 2), (2, 2, 1)],
            true,
        );
        plan.passed();
        assert_eq!(plan.under_way(), 0);
        check(&mut kept(&plan), &events(9..10), &[(0, 3, 1)], true);
    }

    #[test]
    fn what_arrived_is_not_sent_again_but_after_a_kill() {
        let mut plan = begun();
        let all = events(0..4);
        let (shipments, _) = plan.ship(&routed(&all, 100)).unwrap();
        plan.arrived(&shipments[0]);
        // Of partition 0 nothing is given any more.
        check(&mut plan, &events(1..3), &[(1, 0, 1), (2, 0, 1)], false);
        check(
            &mut kept(&plan),
            &all,
            &[(0, 0, 2), (1, 0, 1), (2, 0, 1)],
            false,
        );
    }

    #[test]
    fn other_events_than_those_under_way_are_told() {
        let mut plan = begun();
        plan.ship(&routed(&events(0..6), 100)).unwrap();
        for other in [1..7, 0..3, 0..1] {
            let given = events(other);
            assert_eq!(kept(&plan).ship(&routed(&given, 100)), Err(Mismatch));
        }
        assert_eq!(Plan::default().ship(&[]), Err(Mismatch));
    }

    #[test]
    fn batches_are_no_larger_than_a_broker_takes() {
        let mut plan = begun();
        let batch = events(0..9);
        let (shipments, _) = plan.ship(&routed(&batch, 400 << 10)).unwrap();
        assert_eq!(told(&shipments)[..3], [(0, 0, 2), (0, 2, 1), (1, 0, 2)]);
        let mut plan = begun();
        let (shipments, _) = plan.ship(&routed(&batch, 2 << 20)).unwrap();
        assert!(shipments.iter().all(|shipment| shipment.places.len() == 1));
    }

    #[test]
    fn sequences_begin_anew_after_the_greatest() {
        let mut plan = begun();
        plan.lanes.entry(0).or_default().next = i32::MAX;
        check(&mut plan, &events(0..1), &[(0, i32::MAX, 1)], true);
        plan.passed();
        check(&mut plan, &events(0..1), &[(0, 0, 1)], true);
    }

    proptest! {
        /// A broker that refuses a batch with a poison event in it, and takes the rest: only poison is
        /// refused, and the sequences it takes have no hole.
        #[test]
        fn poison_is_found_and_takes_no_sequence(
            poison in proptest::collection::vec(any::<bool>(), 1..60),
            kills in proptest::collection::vec(any::<bool>(), 300),
        ) {
            let mut plan = begun();
            let batch = events(0..poison.len());
            let mut left: Vec<usize> = (0..poison.len()).collect();
            let (mut taken, mut refused) = (vec![Vec::new(); 3], Vec::new());
            let mut next = [0; 3];
            let mut kills = kills.into_iter();
            while !left.is_empty() {
                if kills.next().unwrap_or(false) {
                    plan = kept(&plan);
                    left = (0..poison.len()).collect();
                }
                let all = routed(&batch, 100);
                let given: Vec<Routed<'_>> = all
                    .into_iter()
                    .enumerate()
                    .filter(|(at, _)| left.contains(at))
                    .map(|(_, event)| event)
                    .collect();
                let numbers = left.clone();
                let (shipments, _) = plan.ship(&given).unwrap();
                let mut stopped = [false; 3];
                for shipment in &shipments {
                    let lane = shipment.partition as usize;
                    if stopped[lane] {
                        continue;
                    }
                    let mut of: Vec<usize> =
                        shipment.places.iter().map(|at| numbers[*at]).collect();
                    if shipment.refused {
                        prop_assert!(plan.refused(shipment));
                        left.retain(|n| !of.contains(n));
                    } else if of.iter().any(|n| poison[*n]) {
                        if plan.refused(shipment) {
                            refused.extend_from_slice(&of);
                            left.retain(|n| !of.contains(n));
                        }
                        stopped[lane] = true;
                    } else {
                        // What the broker has it passes over; anything else goes on where it was.
                        if shipment.sender.sequence == next[lane] {
                            next[lane] += of.len() as i32;
                            left.retain(|n| !of.contains(n));
                            taken[lane].append(&mut of);
                        } else {
                            prop_assert!(taken[lane].ends_with(&of) || of.iter().all(|n| taken[lane].contains(n)));
                            left.retain(|n| !of.contains(n));
                        }
                        plan.arrived(shipment);
                    }
                }
            }
            for (lane, taken) in taken.iter().enumerate() {
                let good: Vec<usize> =
                    (0..poison.len()).filter(|n| n % 3 == lane && !poison[*n]).collect();
                prop_assert_eq!(taken, &good);
            }
            refused.sort_unstable();
            let bad: Vec<usize> = (0..poison.len()).filter(|n| poison[*n]).collect();
            prop_assert_eq!(refused, bad);
        }
    }
}
