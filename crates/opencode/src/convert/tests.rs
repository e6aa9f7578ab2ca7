//! Which mutations a change becomes, and that they mean what the item means.

use serde_json::json;
use share_model::seam::{Entropy, SeededEntropy};

use super::*;

fn item(data: Value) -> Item {
    let kind = "x".to_owned();
    Item { kind, data }
}

/// Converts both values in turn and applies everything; what came of the second.
#[track_caller]
fn change(old: Value, new: Value) -> Vec<Mutation> {
    let mut converter = Converter::default();
    let mut document = Document::default();
    let mut last = Vec::new();
    for value in [old, new] {
        last = converter.convert(item(value.clone())).unwrap();
        for mutation in &last {
            document.apply(mutation, &Limits::DEFAULT).unwrap();
        }
        assert_eq!(document.get("x").unwrap().value(), &value, "{last:?}");
    }
    last
}

fn text(pointer: &str, text: &str) -> Mutation {
    let (key, pointer, text) = ("x".into(), pointer.into(), text.into());
    Mutation::AppendText { key, pointer, text }
}
fn appended(pointer: &str, json: &str) -> Mutation {
    let (key, pointer, json) = ("x".into(), pointer.into(), json.into());
    Mutation::AppendItem { key, pointer, json }
}
fn merge(json: &str) -> Mutation {
    let (key, json) = ("x".into(), json.into());
    Mutation::Merge { key, json }
}
fn put(json: &str) -> Mutation {
    let (key, json) = ("x".into(), json.into());
    Mutation::Put { key, json }
}

/// So much beside a change that a put costs more than anything else.
fn bulk() -> Value {
    json!("b".repeat(1000))
}

#[test]
fn an_absent_key_is_put_in_compact_json_and_an_equal_value_is_nothing() {
    let mut converter = Converter::default();
    let value: Value = serde_json::from_str(r#"{ "b": 1.50,  "a": [null, "é"] }"#).unwrap();
    let ops = converter.convert(item(value)).unwrap();
    assert_eq!(ops, [put(r#"{"b":1.50,"a":[null,"é"]}"#)]);
    let reordered: Value = serde_json::from_str(r#"{"a":[null,"\u00e9"],"b":1.50}"#).unwrap();
    assert_eq!(converter.convert(item(reordered)).unwrap(), []);
    // Numbers are their text: 1.5 is another value than 1.50.
    let other: Value = serde_json::from_str(r#"{"a":[null,"é"],"b":1.5}"#).unwrap();
    assert_eq!(converter.convert(item(other)).unwrap().len(), 1);
}

#[test]
fn text_that_grows_is_appended_wherever_it_stands() {
    assert_eq!(change(json!("ab"), json!("abc")), [text("", "c")]);
    assert_eq!(
        change(json!({"t": ""}), json!({"t": "a"})),
        [text("/t", "a")]
    );
    assert_eq!(
        change(
            json!({"n": null, "a~/b": [0, {"": "one"}]}),
            json!({"n": null, "a~/b": [0, {"": "one\u{2028}\"\\\u{1F600}"}]})
        ),
        [text("/a~0~1b/1/", "\u{2028}\"\\\u{1F600}")]
    );
    assert_eq!(
        change(
            json!({"p": "a", "q": ["b"], "bulk": bulk()}),
            json!({"p": "aa", "q": ["bb"], "bulk": bulk()})
        ),
        [text("/p", "a"), text("/q/0", "b")]
    );
}

#[test]
fn text_is_never_cut_inside_a_character() {
    // é is c3 a9 and è is c3 a8: the bytes share a prefix, the texts do not.
    assert_eq!(change(json!(["é"]), json!(["è"])), [put(r#"["è"]"#)]);
    // Two characters of one surrogate block, which share their leading half in UTF-16.
    assert_eq!(change(json!(["😀"]), json!(["😁"])), [put(r#"["😁"]"#)]);
    // A combining mark is a character of its own.
    assert_eq!(change(json!("e"), json!("e\u{301}")), [text("", "\u{301}")]);
}

#[test]
fn an_array_that_grows_at_its_end_is_appended_to() {
    assert_eq!(
        change(json!([null]), json!([null, {"a": null}])),
        [appended("", r#"{"a":null}"#)]
    );
    assert_eq!(
        change(
            json!({"l": [bulk()], "bulk": bulk()}),
            json!({"l": [format!("{}!", "b".repeat(1000)), 1, []], "bulk": bulk()})
        ),
        [text("/l/0", "!"), appended("/l", "1"), appended("/l", "[]")]
    );
    // Growth inside an array that has to be replaced is not appended as well.
    assert_eq!(
        change(
            json!({"l": ["a", 1], "bulk": bulk()}),
            json!({"l": ["ab", 2], "bulk": bulk()})
        ),
        [merge(r#"{"l":["ab",2]}"#)]
    );
    // Many little items are better off together.
    assert_eq!(
        change(
            json!({"l": [], "bulk": bulk()}),
            json!({"l": [1, 2, 3, 4], "bulk": bulk()})
        ),
        [merge(r#"{"l":[1,2,3,4]}"#)]
    );
}

#[test]
fn changed_members_are_merged_when_that_is_clearly_smaller() {
    assert_eq!(
        change(
            json!({"bulk": bulk(), "gone": null, "s": {"a": 1, "b": 2}, "l": [1, 2]}),
            json!({"bulk": bulk(), "s": {"a": 3, "b": 2}, "l": [null], "e": {}})
        ),
        [merge(r#"{"gone":null,"s":{"a":3},"l":[null],"e":{}}"#)]
    );
    // Appends come before the merge that says that all is done.
    let output = "o".repeat(200);
    assert_eq!(
        change(
            json!({"bulk": bulk(), "status": "running", "out": output}),
            json!({"bulk": bulk(), "status": "done", "out": format!("{output}!")})
        ),
        [text("/out", "!"), merge(r#"{"status":"done"}"#)]
    );
    // Three appends of 14 bytes each against a put of 31.
    assert_eq!(
        change(
            json!({"long-name": ["a", "b", "c"]}),
            json!({"long-name": ["aa", "bb", "cc"]})
        ),
        [put(r#"{"long-name":["aa","bb","cc"]}"#)]
    );
    assert_eq!(
        change(json!({"a": 1, "b": 1}), json!({"a": 2, "b": 1})),
        [put(r#"{"a":2,"b":1}"#)]
    );
}

#[test]
fn what_a_merge_patch_cannot_say_is_put() {
    let put_of = |value: &Value| [put(&value.to_string())];
    for (old, new) in [
        (
            json!({"bulk": bulk(), "a": 1}),
            json!({"bulk": bulk(), "a": null}),
        ),
        (json!({"bulk": bulk()}), json!({"bulk": bulk(), "a": null})),
        (
            json!({"bulk": bulk(), "a": 1}),
            json!({"bulk": bulk(), "a": {"b": {"c": null}}}),
        ),
        (
            json!({"bulk": bulk(), "s": {"a": 1}}),
            json!({"bulk": bulk(), "s": {"a": null}}),
        ),
        (json!([bulk(), 1]), json!([bulk(), 2])),
        (json!([bulk(), 1]), json!([bulk()])),
        (json!([bulk()]), json!({"bulk": bulk()})),
        (json!({"bulk": bulk()}), json!(null)),
        (json!(null), json!({"a": 1})),
    ] {
        let expected = put_of(&new);
        assert_eq!(change(old, new), expected);
    }
    // A document of an earlier version may have it, and no patch that takes it away can be read.
    let reserved = put(&json!({"bulk": bulk(), "$serde_json::private::Number": "1"}).to_string());
    let mut document = Document::default();
    document.apply_again(&reserved, &Limits::DEFAULT).unwrap();
    let mut converter = Converter::from_document(&document, Limits::DEFAULT);
    let new = json!({"bulk": bulk()});
    assert_eq!(converter.convert(item(new.clone())).unwrap(), put_of(&new));
    // A null that was there before hinders nothing, nor does one inside an array.
    assert_eq!(
        change(
            json!({"bulk": bulk(), "n": null, "a": 1}),
            json!({"bulk": bulk(), "n": null, "a": [{"b": null}]})
        ),
        [merge(r#"{"a":[{"b":null}]}"#)]
    );
}

#[test]
fn appends_beyond_their_bound_are_replaced_whole() {
    // A first item so long that appending is cheaper than a merge as long as it is allowed.
    let list = |count: usize| {
        let mut list = vec!["i".to_owned(); count];
        list[0] = "i".repeat(20_000);
        json!({"bulk": "b".repeat(100_000), "l": list})
    };
    assert_eq!(change(list(1), list(65)).len(), 64);
    let over = change(list(1), list(66));
    assert!(matches!(&over[..], [Mutation::Merge { .. }]), "{over:?}");
}

#[test]
fn models_add_up_under_their_own_keys() {
    let mut converter = Converter::default();
    let mut keys = |models: Value| {
        let kind = "model".to_owned();
        let ops = converter.convert(Item { kind, data: models }).unwrap();
        ops.iter().map(|op| op.key().to_owned()).collect::<Vec<_>>()
    };
    let model = |id: &str| json!({"providerID": "p/q", "id": id});
    assert_eq!(keys(json!([model("a")])), ["model/p%2Fq/a"]);
    assert_eq!(keys(json!([])), [""; 0]);
    assert_eq!(keys(json!([model("b"), model("a")])), ["model/p%2Fq/b"]);
}

#[test]
fn a_refused_item_leaves_the_converter_as_it_was() {
    let limits = Limits {
        value_bytes_max: 10,
        depth_max: 2,
        ..Limits::DEFAULT
    };
    let mut converter = Converter::new(limits);
    assert_eq!(converter.convert(item(json!("a"))).unwrap().len(), 1);
    let too_large = ItemError::ValueTooLarge {
        key: "x".into(),
        bytes: 11,
        max: 10,
    };
    assert_eq!(converter.convert(item(json!("abcdefghi"))), Err(too_large));
    let too_deep = ItemError::TooDeep {
        key: "x".into(),
        levels: 3,
        max: 2,
    };
    assert_eq!(converter.convert(item(json!([[[]]]))), Err(too_deep));
    // A document refuses it.
    let reserved = json!([{"a": 1, "$serde_json::private::Number": "1"}]);
    let key = "x".into();
    assert_eq!(
        converter.convert(item(reserved)),
        Err(ItemError::ReservedName { key })
    );
    // `"abcdefgh"` has 10 bytes, and what stands there still is "a".
    let grown = converter.convert(item(json!("abcdefgh"))).unwrap();
    assert_eq!(grown, [text("", "bcdefgh")]);
}

#[test]
fn a_converter_goes_on_from_a_document() {
    let mut document = Document::default();
    document
        .apply(&put(r#"{"t":"one","n":1.0}"#), &Limits::DEFAULT)
        .unwrap();
    let mut converter = Converter::from_document(&document, Limits::DEFAULT);
    let value = |json: &str| item(serde_json::from_str(json).unwrap());
    assert_eq!(
        converter.convert(value(r#"{"n":1.0,"t":"one"}"#)).unwrap(),
        []
    );
    assert_eq!(
        converter
            .convert(value(r#"{"n":1.0,"t":"one, two"}"#))
            .unwrap(),
        [text("/t", ", two")]
    );
}

/// Any chain of edits: the document, changed by the mutations alone, says what the last item says.
#[test]
fn any_edits_are_converted_exactly() {
    let seed = match std::env::var("SHARE_SEED") {
        Ok(seed) => seed.parse().expect("SHARE_SEED is a number"),
        Err(_) => u64::from_le_bytes(*b"opencode"),
    };
    println!(
        "replay: SHARE_SEED={seed} cargo test -p share-opencode any_edits_are_converted_exactly"
    );
    let random = Random(SeededEntropy::new(seed));
    let mut seen = [0; 6];
    for _ in 0..400 {
        let mut converter = Converter::default();
        let mut document = Document::default();
        let mut value = random.value(4);
        for _ in 0..25 {
            let ops = converter.convert(item(value.clone())).unwrap();
            for op in &ops {
                document
                    .apply(op, &Limits::DEFAULT)
                    .unwrap_or_else(|error| panic!("seed {seed}: {op:?}: {error}"));
                seen[usize::from(op.tag())] += 1;
            }
            let is = document.get("x").unwrap().value();
            assert_eq!(is, &value, "seed {seed}: {ops:?}");
            assert_eq!(
                converter.convert(item(value.clone())).unwrap(),
                [],
                "seed {seed}"
            );
            random.edit(&mut value);
        }
    }
    let [_, puts, merges, texts, items, removes] = seen;
    println!("puts {puts}, merges {merges}, texts {texts}, items {items}");
    assert!(puts > 100 && merges > 100 && texts > 100 && items > 100 && removes == 0);
}

/// Random values, with what is awkward in JSON more often than life has it.
struct Random(SeededEntropy);

impl Random {
    fn below(&self, bound: usize) -> usize {
        usize::try_from(self.0.below(bound as u64)).unwrap()
    }

    fn text(&self) -> String {
        const LETTERS: [&str; 12] = [
            "a", "é", "è", "😀", "😁", "\u{2028}", "\"", "\\", "/", "~", "\u{0}", "e\u{301}",
        ];
        (0..self.below(4))
            .map(|_| LETTERS[self.below(12)])
            .collect()
    }

    fn value(&self, depth: usize) -> Value {
        const NUMBERS: [&str; 6] = ["0", "-0", "1.0", "1.00", "1e400", "12345678901234567890123"];
        match self.below(if depth == 0 { 6 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => serde_json::from_str(NUMBERS[self.below(6)]).unwrap(),
            3 => json!("long ".repeat(self.below(100))),
            4 | 5 => json!(self.text()),
            6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => (0..self.below(5))
                .map(|_| (self.name(), self.value(depth - 1)))
                .collect(),
        }
    }

    fn name(&self) -> String {
        ["", "0", "a", "a/b", "~", "~1", "text", "é"][self.below(8)].to_owned()
    }

    /// Changes one or a few places.
    fn edit(&self, value: &mut Value) {
        for _ in 0..=self.below(3) {
            self.edit_one(value);
        }
    }

    fn edit_one(&self, value: &mut Value) {
        let here = self.below(4) == 0;
        match value {
            Value::String(text) if self.below(4) > 0 => text.push_str(&self.text()),
            Value::Array(items) if here || items.is_empty() => items.push(self.value(2)),
            Value::Array(items) if self.below(8) == 0 => drop(items.pop()),
            Value::Array(items) => {
                let at = self.below(items.len());
                self.edit_one(&mut items[at]);
            }
            Value::Object(members) if here || members.is_empty() => {
                members.insert(self.name(), self.value(2));
            }
            Value::Object(members) => {
                let at = self.below(members.len());
                let name = members.keys().nth(at).unwrap().clone();
                if self.below(8) == 0 {
                    members.remove(&name);
                } else {
                    self.edit_one(&mut members[&name]);
                }
            }
            other => *other = self.value(3),
        }
    }
}
