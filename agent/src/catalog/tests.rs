use super::{Catalog, ENDPOINTS_MAX, Kind, Place, Seen};
use crate::clock::WallTime;
use crate::exchange::{Novel, Novelty, Route};

fn route(host: &str, template: &str, method: &str) -> Route {
    Route {
        host: host.into(),
        template: template.into(),
        endpoint: Route::number(Route::of(host, template), method.as_bytes()),
    }
}

fn see(catalog: &mut Catalog, template: &str, target: &str, time: u64, status: u16) -> Novelty {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let route = route("a", template, "GET");
    let seen = Seen {
        route: &route,
        method: b"GET",
        time: WallTime(time),
        status: (status > 0).then_some(status),
        path: path.as_bytes(),
        query: query.as_bytes(),
    };
    catalog.seen(&seen).0
}

#[track_caller]
fn check(novelty: Novelty, expected: &[Novel]) {
    let all = [
        Novel::Endpoint,
        Novel::Status,
        Novel::Parameter,
        Novel::Shape,
    ];
    let found: Vec<_> = all
        .into_iter()
        .filter(|novel| novelty.has(*novel))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn what_is_new_is_told_once() {
    let catalog = &mut Catalog::default();
    let first = see(catalog, "/users/{id}", "/users/7?sort=asc", 10, 200);
    check(first, &[Novel::Endpoint, Novel::Status, Novel::Parameter]);
    check(
        see(catalog, "/users/{id}", "/users/8?sort=desc", 20, 200),
        &[],
    );
    check(
        see(catalog, "/users/{id}", "/users/8?sort=1'--", 20, 400),
        &[Novel::Status],
    );
    check(
        see(catalog, "/users/{id}", "/users/8?sort=1", 20, 200),
        &[Novel::Shape],
    );
    check(
        see(catalog, "/users/{id}", "/users/8?page=1", 5, 200),
        &[Novel::Parameter],
    );
    let list = catalog.endpoints();
    let [one] = list.as_slice() else {
        panic!("{list:?}")
    };
    assert_eq!(
        (one.count, one.first, one.last),
        (5, WallTime(5), WallTime(20))
    );
    assert_eq!(one.statuses, [(200, 4), (400, 1)]);
    let parameters: Vec<_> = one
        .parameters
        .iter()
        .map(|one| (one.place, one.name.as_str(), one.kinds.as_slice()))
        .collect();
    assert_eq!(
        parameters,
        [
            (Place::Path, "id", &[Kind::Integer][..]),
            (Place::Query, "page", &[Kind::Integer]),
            (Place::Query, "sort", &[Kind::Word, Kind::Integer]),
        ]
    );
}

#[test]
fn what_is_joined_is_one() {
    let catalog = &mut Catalog::default();
    see(catalog, "/users/ann", "/users/ann?a=1", 10, 200);
    see(catalog, "/users/bob", "/users/bob?b=x", 5, 403);
    see(catalog, "/users/{name}", "/users/eve", 20, 200);
    for from in ["/users/ann", "/users/bob", "/users/none"] {
        catalog.joined("a", from, "/users/{name}");
    }
    let list = catalog.endpoints();
    let [one] = list.as_slice() else {
        panic!("{list:?}")
    };
    assert_eq!(
        (one.count, one.first, one.last),
        (3, WallTime(5), WallTime(20))
    );
    check(see(catalog, "/users/{name}", "/users/x?a=1", 30, 200), &[]);
}

#[test]
fn what_is_tried_is_no_endpoint() {
    let catalog = &mut Catalog::default();
    for status in [0, 400, 404, 405, 501] {
        check(see(catalog, "/users", "/users", 1, status), &[]);
    }
    assert!(catalog.endpoints().is_empty());
}

#[test]
fn endpoints_are_bounded_and_the_rest_is_counted() {
    let catalog = &mut Catalog::default();
    for n in 0..ENDPOINTS_MAX + 7 {
        see(catalog, &format!("/{n}"), "/", 1, 200);
    }
    assert_eq!(
        (catalog.endpoints().len(), catalog.beyond()),
        (ENDPOINTS_MAX, 7)
    );
    for n in 0..500 {
        see(catalog, "/1", &format!("/?p{n}=1"), 1, 200 + n);
    }
    let list = catalog.endpoints();
    let one = list.iter().find(|one| one.route == "/1").unwrap();
    assert!(one.parameters.iter().len() <= 96 && one.statuses.len() <= 32);
}

#[test]
fn what_is_kept_is_known_again() {
    let catalog = &mut Catalog::default();
    see(
        catalog,
        "/users/{id}",
        "/users/7?sort=asc",
        1_700_000_000_000_000_001,
        200,
    );
    see(catalog, "/", "/", 1_700_000_000_000_000_002, 0);
    let text = serde_json::to_string(&catalog.kept()).unwrap();
    let again = &mut Catalog::of(serde_json::from_str(&text).unwrap());
    assert_eq!(again.kept(), catalog.kept());
    check(see(again, "/users/{id}", "/users/7?sort=asc", 3, 200), &[]);
}

#[test]
fn addresses_in_the_place_of_names_are_not_kept() {
    let catalog = &mut Catalog::default();
    see(catalog, "/find", "/find?ada@example.com=1&page=2", 10, 200);
    let again = see(
        catalog,
        "/find",
        "/find?bob%40example.com=1&page=2",
        20,
        200,
    );
    check(again, &[]);
    let mut kept = catalog.kept();
    let names = |kept: &super::Kept| -> Vec<String> {
        let all = kept.endpoints.iter().flat_map(|one| one.parameters.iter());
        all.map(|one| one.name.clone()).collect()
    };
    assert_eq!(names(&kept), ["page"]);
    // What an older one kept is let go of.
    let text = serde_json::to_string(&kept).unwrap();
    kept = serde_json::from_str(&text.replace("page", "eve@example.com")).unwrap();
    assert_eq!(names(&kept), ["eve@example.com"]);
    assert!(names(&Catalog::of(kept).kept()).is_empty());
}
