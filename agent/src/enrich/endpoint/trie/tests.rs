use super::{Trie, WORDS_MAX};
use proptest::prelude::*;

fn learn(paths: &[String]) -> Trie<()> {
    let mut trie = Trie::new(true);
    for path in paths {
        if trie.find(path.as_bytes()).is_none() {
            trie.learn(path.as_bytes(), &|_| ());
        }
    }
    trie
}

fn texts(trie: &Trie<()>) -> Vec<String> {
    let mut texts = Vec::new();
    trie.each(&mut |end| texts.push(end.text.to_string()));
    texts.sort();
    texts
}

#[track_caller]
fn check(paths: &[&str], expected: &[&str]) {
    let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
    assert_eq!(texts(&learn(&paths)), expected);
}

#[test]
fn values_become_their_form_and_words_stay() {
    check(
        &[
            "/users/1",
            "/users/2/posts/9",
            "/users/me",
            "/",
            "/v1/users/",
            "/a//b",
            "/files/7.json",
        ],
        &[
            "/",
            "/a//b",
            "/files/{id}.json",
            "/users/me",
            "/users/{id}",
            "/users/{id}/posts/{id}",
            "/v1/users/",
        ],
    );
}

#[test]
fn too_many_words_are_names() {
    let mut paths: Vec<_> = (0..WORDS_MAX)
        .map(|n| format!("/shops/{}/items", char::from(b'a' + n as u8)))
        .collect();
    paths.push("/shops/summer-2024/items".to_owned());
    assert_eq!(learn(&paths).len(), WORDS_MAX + 1);
    paths.push("/shops/another/orders".to_owned());
    let mut trie = learn(&paths);
    assert_eq!(
        texts(&trie),
        ["/shops/{name}/items", "/shops/{name}/orders"]
    );
    let told = trie.learn(b"/shops/7/items", &|_| ());
    assert_eq!((told.len(), trie.len()), (0, 3));
    assert!(trie.find(b"/shops/summer-2025/items").is_some());
}

#[test]
fn what_a_template_becomes_is_told() {
    let mut trie = Trie::new(true);
    let mut told = Vec::new();
    for n in 0..=WORDS_MAX {
        let path = format!("/{}", char::from(b'a' + n as u8));
        told.extend(trie.learn(path.as_bytes(), &|_| ()));
    }
    let mut from: Vec<_> = told.iter().map(|one| one.from.to_string()).collect();
    from.sort();
    assert_eq!(from.len(), WORDS_MAX);
    assert_eq!(from[0], "/a");
    assert!(told.iter().all(|one| &*one.to == "/{name}"));
}

#[test]
fn depth_has_an_end() {
    let deep = "/a".repeat(5000);
    let trie = learn(&[deep.clone(), format!("{deep}/b")]);
    assert_eq!(trie.len(), 1);
    assert!(texts(&trie)[0].ends_with("/a/{rest}"));
}

#[test]
fn what_is_kept_is_known_again() {
    let mut paths: Vec<_> = (0..40)
        .map(|n| format!("/shops/{}/items/7", char::from(b'A' + n)))
        .collect();
    paths.extend([
        "/files/9.pdf".to_owned(),
        "/a/{id}".to_owned(),
        "/b".repeat(40),
    ]);
    let trie = learn(&paths);
    let kept = texts(&trie);
    let mut again = Trie::new(true);
    again.recall(kept.iter().map(String::as_str), &|_| ());
    assert_eq!(texts(&again), kept);
    for path in &paths {
        let (one, two) = (trie.find(path.as_bytes()), again.find(path.as_bytes()));
        assert_eq!(one.map(|end| &end.text), two.map(|end| &end.text), "{path}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_order_of_paths_does_not_matter(
        paths in proptest::collection::vec("(/([a-z]|[a-e]-[1-3]|[0-9]{1,3}|[ab]{2})){1,4}", 1..120),
        seed: u64,
    ) {
        let one = learn(&paths);
        let mut other = paths.clone();
        let mut state = seed | 1;
        for at in (1..other.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            other.swap(at, (state >> 33) as usize % (at + 1));
        }
        prop_assert_eq!(texts(&one), texts(&learn(&other)));
        for path in &paths {
            prop_assert!(one.find(path.as_bytes()).is_some(), "{}", path);
        }
        prop_assert_eq!(one.len(), texts(&one).len());
    }

    #[test]
    fn no_bytes_make_it_panic(paths: Vec<Vec<u8>>) {
        let mut trie = Trie::new(true);
        for path in &paths {
            trie.learn(path, &|_| ());
            prop_assert!(trie.find(path).is_some());
        }
    }
}
