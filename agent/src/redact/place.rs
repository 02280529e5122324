//! Process, container and pod as they are reported. Their command line and labels were masked when
//! they were looked up.

use crate::clock::{BootTime, WallTime};
use crate::event::{
    AutonomousSystem, Client, Container, Geo, Kubernetes, Labels, Owner, Parent, Process, Text,
};
use crate::exchange::Exchange;

pub(super) fn process(exchange: &Exchange, boot: BootTime) -> Process<'_> {
    let open = &exchange.conn.open;
    let start = open.process_start;
    let looked_up = exchange.known.place.as_deref().map(|place| &place.process);
    let command_line = looked_up.map(|process| process.command_line.as_slice());
    Process {
        pid: open.tgid,
        name: Text(&open.comm),
        executable: looked_up.and_then(|process| process.executable.as_deref().map(Text)),
        command_line: command_line.filter(|line| !line.is_empty()).map(Text),
        start: (start.0 != 0).then(|| -> WallTime { boot.date(start) }),
        user: looked_up.and_then(|process| process.user.as_deref()),
        parent: looked_up
            .and_then(|process| process.parent.as_ref())
            .map(|parent| Parent {
                pid: parent.pid,
                name: Text(&parent.name),
            }),
        unit: looked_up.and_then(|process| process.unit.as_deref()),
    }
}

/// Adds where the client's address is. Of a client under a pseudonym the coordinates stay away: a
/// street is as good as an address.
pub(super) fn located<'a>(
    mut client: Client<'a>,
    exchange: &'a Exchange,
    is_pseudonym: bool,
) -> Client<'a> {
    let Some(known) = exchange.known.geo.as_deref() else {
        return client;
    };
    let location = known.location.filter(|_| !is_pseudonym);
    let country = known.country.as_deref();
    if country.is_some() || location.is_some() {
        client.geo = Some(Geo { country, location });
    }
    let (number, name) = (known.as_number, known.as_name.as_deref());
    if number.is_some() || name.is_some() {
        client.network = Some(AutonomousSystem { number, name });
    }
    client
}

pub(super) fn container(exchange: &Exchange) -> Option<Container<'_>> {
    let container = exchange.known.place.as_ref()?.container.as_ref()?;
    Some(Container {
        id: &container.id,
        name: container.name.as_deref(),
        image: container.image.as_deref(),
        labels: Labels(&container.labels),
    })
}

pub(super) fn kubernetes(exchange: &Exchange) -> Option<Kubernetes<'_>> {
    let pod = exchange.known.place.as_ref()?.pod.as_ref()?;
    Some(Kubernetes {
        namespace: pod.namespace.as_deref(),
        pod: pod.name.as_deref(),
        uid: &pod.uid,
        labels: Labels(&pod.labels),
        owner: pod.owner.as_ref().map(|owner| Owner {
            kind: &owner.kind,
            name: &owner.name,
        }),
    })
}
