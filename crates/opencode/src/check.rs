//! Whether an item has a place in a document, before anything is made of it.

use serde_json::Value;

use share_model::{Limits, json_bytes, json_depth, json_has_reserved_name};

use crate::item::{Item, ItemError};

impl Item {
    /// Whether the item has a place in a document: what [`convert`](crate::Converter::convert) refuses
    /// is refused here alike, and nothing is copied.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn check(&self, limits: &Limits) -> Result<(), ItemError> {
        let values = match (self.kind.as_str(), &self.data) {
            ("model", Value::Array(models)) => models.as_slice(),
            (_, data) => std::slice::from_ref(data),
        };
        let keys = self.keys(limits)?;
        let mut entries = keys.iter().zip(values);
        entries.try_for_each(|(key, value)| check_value(key, value, limits))
    }

    /// The same in items of one entry each.
    pub fn into_single(self) -> impl Iterator<Item = Self> {
        let Self { kind, data } = self;
        let parts = match data {
            Value::Array(models) if kind == "model" => models
                .into_iter()
                .map(|model| Value::Array(vec![model]))
                .collect(),
            data => vec![data],
        };
        parts.into_iter().map(move |data| Self {
            kind: kind.clone(),
            data,
        })
    }
}

/// Whether a document takes `value` at `key`.
pub(crate) fn check_value(key: &str, value: &Value, limits: &Limits) -> Result<(), ItemError> {
    let (levels, max) = (json_depth(value), u64::from(limits.depth_max));
    if levels > max {
        let key = key.to_owned();
        return Err(ItemError::TooDeep { key, levels, max });
    }
    if json_has_reserved_name(value) {
        let key = key.to_owned();
        return Err(ItemError::ReservedName { key });
    }
    let (bytes, max) = (json_bytes(value), limits.value_bytes_max);
    if bytes > max {
        let key = key.to_owned();
        return Err(ItemError::ValueTooLarge { key, bytes, max });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::convert::Converter;

    fn item(kind: &str, data: Value) -> Item {
        Item {
            kind: kind.into(),
            data,
        }
    }

    #[test]
    fn what_the_converter_refuses_is_refused_alike_before() {
        let limits = Limits {
            value_bytes_max: 20,
            depth_max: 2,
            ..Limits::DEFAULT
        };
        let reserved = json!({"$serde_json::private::Number": "1"});
        for (kind, data, is_taken) in [
            ("session", json!({"id": "12345678901"}), true),
            ("session", json!({"id": "1234567890123"}), false),
            ("todo", json!([[1]]), true),
            ("todo", json!([[[1]]]), false),
            ("message", json!({}), false),
            ("model", json!([]), true),
            ("model", json!([{"providerID": "p"}]), false),
            ("todo", reserved, false),
        ] {
            let item = item(kind, data);
            let checked = item.check(&limits);
            assert_eq!(checked.is_ok(), is_taken, "{item:?}");
            let converted = Converter::new(limits).convert(item);
            assert_eq!(checked.err(), converted.err());
        }
    }

    #[test]
    fn a_list_of_models_is_one_item_for_each_and_any_other_stays_whole() {
        let models = item("model", json!([{"id": "a"}, {"id": "b"}]));
        let single: Vec<_> = models.into_single().collect();
        let expected = [
            item("model", json!([{"id": "a"}])),
            item("model", json!([{"id": "b"}])),
        ];
        assert_eq!(single, expected);
        assert_eq!(item("model", json!([])).into_single().count(), 0);
        let diff = item("session_diff", json!([1, 2]));
        assert_eq!(diff.clone().into_single().collect::<Vec<_>>(), [diff]);
    }
}
