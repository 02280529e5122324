//! Addresses that many share, learnt: behind them an address alone says little.

use serde::{Deserialize, Serialize};

use super::scene::Keys;
use super::sketch::Distinct;
use super::table::{Table, Worth};

/// Accounts in a day from which on an address is shared (DETECTION.md 4).
const USERS: u64 = 5;

/// The most by which a threshold is raised.
const FACTOR_MAX: u64 = 8;

const DAY_S: u32 = 86_400;

/// Who was seen behind one address.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Users {
    day: u32,
    today: Distinct,
    yesterday: u64,
}

impl Worth for Users {
    fn worth(&self) -> u64 {
        self.yesterday.max(self.today.count())
    }
}

/// All addresses.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Shared {
    addresses: Table<Users, 8192, { 2 * DAY_S }>,
}

impl Shared {
    /// Accounts seen behind the client of `keys` in a day.
    pub(super) fn users(&self, keys: &Keys, now_s: u32) -> u64 {
        let Some(users) = self.addresses.get(keys.client, now_s) else {
            return 0;
        };
        match now_s / DAY_S - users.day.min(now_s / DAY_S) {
            0 => users.today.count().max(users.yesterday),
            1 => users.today.count(),
            _ => 0,
        }
    }

    /// By how much thresholds of an address with so many `users` are raised.
    pub(super) const fn factor(users: u64) -> u64 {
        if users <= USERS {
            return 1;
        }
        let factor = users / 3;
        if factor > FACTOR_MAX {
            FACTOR_MAX
        } else {
            factor
        }
    }

    /// Learns that the account of `keys` is at its client.
    pub(super) fn learn(&mut self, keys: &Keys, now_s: u32) {
        if keys.client == 0 || keys.user == 0 {
            return;
        }
        let Some(users) = self.addresses.entry(keys.client, now_s) else {
            return;
        };
        let day = now_s / DAY_S;
        if users.day != day {
            users.yesterday = if users.day + 1 == day {
                users.today.count()
            } else {
                0
            };
            users.today = Distinct::default();
            users.day = day;
        }
        users.today.add(keys.user);
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY_S, Shared};
    use crate::detect::incident::mix;
    use crate::detect::scene::Keys;

    #[track_caller]
    fn check(users: u64, now_s: u32, expected: u64) {
        let mut shared = Shared::default();
        for user in 1..=users {
            let keys = Keys {
                client: 7,
                user: mix(user, 1),
                ..Keys::default()
            };
            shared.learn(&keys, 10 * DAY_S);
        }
        let keys = Keys {
            client: 7,
            ..Keys::default()
        };
        assert_eq!(Shared::factor(shared.users(&keys, now_s)), expected);
    }

    #[test]
    fn an_address_of_many_accounts_is_shared_for_a_day_or_two() {
        check(0, 10 * DAY_S, 1);
        check(5, 10 * DAY_S, 1);
        check(6, 10 * DAY_S, 2);
        check(15, 10 * DAY_S, 5);
        check(15, 11 * DAY_S, 5);
        check(15, 12 * DAY_S, 1);
        check(500, 10 * DAY_S, 8);
    }
}
