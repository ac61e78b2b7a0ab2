//! `cloze recommend`: one model or several, for a user or a typed history, with reasons.

mod common;

use common::{World, check_width};
use serde_json::Value;

#[test]
fn a_user_gets_recommendations_from_the_whole_history() {
    let world = World::new();
    world.train("item-knn", "knn");
    let text = world.ok(&["recommend", "knn", "--user", "u7", "--top", "3"]);
    check_width(&text);
    assert!(text.contains("item-knn (synthetic, generated data) for user u7, based on"), "{text}");
    assert!(text.contains("Synthetic item"), "{text}");
    assert_eq!(text.lines().filter(|line| line.trim_start().starts_with(['1', '2', '3'])).count(), 3);

    let answer = world.ok(&["recommend", "knn", "--user", "u7", "--json"]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let ids = |key: &str| -> Vec<String> {
        answer[key].as_array().unwrap().iter().map(|item| item["id"].to_string()).collect()
    };
    let (history, best) = (ids("history"), ids("recommendations"));
    assert_eq!(best.len(), 10);
    assert!(best.iter().all(|item| !history.contains(item)), "items of the history are not recommended");
    assert_eq!(answer["recommendations"][0]["rank"], 1);
}

#[test]
fn several_models_stand_beside_each_other_with_the_rank_of_what_came_next() {
    let world = World::new();
    world.train("item-knn", "knn");
    world.train("popularity", "pop");
    let ask = ["recommend", "knn", "pop", "--user", "u7", "--held-out", "--top", "5"];
    let text = world.ok(&ask);
    check_width(&text);
    assert!(text.contains("Held out: Synthetic item") && text.contains("item-knn (knn)"), "{text}");
    assert!(
        text.lines().any(|line| line.starts_with("held out") && line.matches("rank ").count() == 2),
        "{text}"
    );

    let both: Value = serde_json::from_str(&world.ok(&[&ask[..], &["--json"]].concat())).unwrap();
    let (knn, pop) = (&both[0], &both[1]);
    assert_eq!((&knn["model"], &pop["model"]), (&Value::from("item-knn"), &Value::from("popularity")));
    assert_eq!(knn["held_out"]["id"], pop["held_out"]["id"]);
    let history = knn["history"].as_array().unwrap();
    assert_eq!(history, pop["history"].as_array().unwrap());
    // What is hidden is the last item of the whole history, and a candidate like any other.
    let whole: Value =
        serde_json::from_str(&world.ok(&["recommend", "knn", "--user", "u7", "--json"])).unwrap();
    let whole = whole["history"].as_array().unwrap();
    assert_eq!((&whole[..history.len()], whole.len()), (&history[..], history.len() + 1));
    assert_eq!(whole[history.len()]["id"], knn["held_out"]["id"]);
    let rank = |answer: &Value| answer["held_out"]["rank"].as_u64().unwrap();
    for answer in [knn, pop] {
        let best = answer["recommendations"].as_array().unwrap();
        let place = best.iter().position(|item| item["id"] == answer["held_out"]["id"]);
        assert_eq!(place.map(|place| place as u64 + 1), (rank(answer) <= 5).then(|| rank(answer)));
    }
    let one = world.ok(&["recommend", "pop", "--user", "u7", "--held-out", "--explain"]);
    assert!(one.contains(&format!("rank {} of", rank(pop))), "{one}");

    let arguments = ["--data", "synthetic", "--split", "global-time:0.8,0.9", "--output", "other"];
    world.ok(&[&["train", "popularity"][..], &arguments].concat());
    world.fails_saying(
        1,
        &["recommend", "knn", "other", "--user", "u7"],
        &["same data and split", "global-time:0.8,0.9"],
    );
    world.fails_saying(2, &["recommend", "knn", "--history", "i1", "--held-out"], &["cannot be used with"]);
}

#[test]
fn a_typed_history_takes_ids_and_titles() {
    let world = World::new();
    world.train("item-knn", "knn");
    let one = ["recommend", "knn", "--history", "i3", "--history", "synthetic ITEM 8 (group 3)", "--json"];
    let two = ["recommend", "knn", "--json", "--history", "i3", "i8"];
    assert_eq!(world.ok(&one), world.ok(&two));
    let text = world.ok(&["recommend", "knn", "--history", "i3", "--top", "500"]);
    assert!(text.contains("based on 1 item: Synthetic item 3 (group 3) (i3)"), "{text}");
    assert!(!text.lines().skip(2).any(|line| line.contains("(i3)")), "{text}");
    let kept = world.ok(&["recommend", "knn", "--history", "i3", "--top", "500", "--keep-seen"]);
    assert!(kept.lines().skip(2).any(|line| line.contains("(i3)")), "{kept}");
}

#[test]
fn a_recommendation_is_explained_by_its_terms_and_by_the_history() {
    let world = World::new();
    let steps = ["--steps", "20", "--warmup", "2", "--hidden", "16", "--alpha", "[2, 1, 1]"];
    world.ok(&[&["train", "hybridbert4rec", "--data", "synthetic", "--output", "hybrid"], &steps[..]].concat());
    let ask = ["recommend", "hybrid", "--user", "u7", "--top", "3", "--explain"];
    let text = world.ok(&ask);
    check_width(&text);
    for part in ["Why: ", "content ", "collaborative ", "because of"] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    let answer: serde_json::Value =
        serde_json::from_str(&world.ok(&[&ask[..], &["--json"]].concat())).unwrap();
    for line in answer["recommendations"].as_array().unwrap() {
        let terms = line["terms"].as_object().unwrap();
        assert_eq!(terms.len(), 2, "{line}");
        let lost: Vec<f64> =
            line["because"].as_array().unwrap().iter().map(|item| item["lift"].as_f64().unwrap()).collect();
        assert!(lost.len() > 1 && lost.is_sorted_by(|a, b| a >= b), "{line}");
        let near = line["near"].as_array().unwrap();
        assert!(near.len() <= 20 && !near.contains(&"u7".into()), "{line}");
    }
    assert!(text.contains("of the 20 users with the nearest profiles"), "{text}");
    let alone = world.ok(&[&ask[..], &["--neighbours", "0"]].concat());
    assert!(!alone.contains("nearest"), "{alone}");
    // Without the data there is no telling what the nearest users had; the rest can be said.
    let away = ["recommend", "hybrid", "--history", "i1", "--explain", "--data", "elsewhere"];
    let run = world.command().args(away).output().unwrap();
    let (text, notes) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(
        run.status.success() && text.contains("because of") && !text.contains("nearest"),
        "{text}{notes}"
    );
    assert!(notes.contains("nearest users are left out") && notes.contains("elsewhere"), "{notes}");
    // A model whose score is no sum has the history's part alone.
    world.train("item-knn", "knn");
    let text = world.ok(&["recommend", "knn", "--history", "i1", "i2", "--explain"]);
    assert!(text.contains("because of") && !text.contains("content"), "{text}");
    assert!(!text.contains("nearest"), "it makes no profiles: {text}");
}
