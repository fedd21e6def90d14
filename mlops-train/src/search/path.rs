use mlops_core::{Error, Result};
use serde_json::Value as Json;

/// Puts `value` where `path` leads in a recipe.
///
/// A path is names with dots between: of settings, of the steps of a pipeline by their number (from
/// 0) or by their kind if there is one of it, such as `steps.simple_imputer.strategy` and
/// `trainer.learning_rate`.
pub(super) fn set(spec: &mut Json, path: &str, value: Json) -> Result<()> {
    let mut at = settings(spec);
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        let last = names.peek().is_none();
        match at {
            // A setting that is left out when it is not set; the recipe says if there is none.
            Json::Object(fields) if last => {
                fields.insert(name.to_owned(), value);
                return Ok(());
            }
            _ => at = settings(child(at, name, path)?),
        }
        if last {
            *at = value;
            return Ok(());
        }
    }
    Ok(())
}

/// The settings of a recipe, if it is one.
fn settings(value: &mut Json) -> &mut Json {
    let is_recipe = value.as_object().is_some_and(|fields| {
        fields.len() == 2 && fields.contains_key("settings") && fields.get("kind").is_some_and(Json::is_string)
    });
    if is_recipe { &mut value["settings"] } else { value }
}

fn child<'a>(value: &'a mut Json, name: &str, path: &str) -> Result<&'a mut Json> {
    let missing = |known: Vec<String>| {
        Error::config(format!("the recipe has no '{name}' of '{path}'; there is {}", known.join(", ")))
    };
    match value {
        Json::Object(fields) => {
            let known = fields.keys().cloned().collect();
            fields.get_mut(name).ok_or_else(|| missing(known))
        }
        Json::Array(items) => {
            let kind = |item: &Json| item.get("kind").and_then(Json::as_str).map(str::to_owned);
            let kinds: Vec<String> = items.iter().map(|item| kind(item).unwrap_or_default()).collect();
            let mut of_kind = (0..kinds.len()).filter(|i| kinds[*i] == name);
            let found = match (name.parse().ok().filter(|i| *i < items.len()), of_kind.next(), of_kind.next()) {
                (Some(number), ..) => number,
                (None, Some(one), None) => one,
                (None, Some(_), Some(_)) => {
                    return Err(Error::config(format!(
                        "there are several '{name}' in '{path}': give the number, from 0"
                    )));
                }
                _ => return Err(missing(kinds.iter().enumerate().map(|(i, kind)| format!("{i} ({kind})")).collect())),
            };
            Ok(&mut items[found])
        }
        other => Err(Error::config(format!("'{path}' leads into {other}, which has no '{name}'"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recipe() -> Json {
        json!({ "kind": "estimator", "settings": {
            "steps": [
                { "kind": "scale", "settings": { "columns": ["a"] } },
                { "kind": "scale", "settings": {} },
                { "kind": "impute", "settings": { "how": { "fill": 1.0 } } },
            ],
            "trainer": { "kind": "trees", "settings": { "rate": 0.1, "cuts": [1, 2] } },
        }})
    }

    fn after(path: &str) -> Json {
        let mut spec = recipe();
        set(&mut spec, path, json!("new")).unwrap();
        spec
    }

    #[test]
    fn paths_lead_through_recipes() {
        assert_eq!(after("trainer.rate")["settings"]["trainer"]["settings"]["rate"], "new");
        assert_eq!(after("trainer.unset")["settings"]["trainer"]["settings"]["unset"], "new");
        assert_eq!(after("trainer.cuts.1")["settings"]["trainer"]["settings"]["cuts"], json!([1, "new"]));
        assert_eq!(after("steps.1.with_mean")["settings"]["steps"][1]["settings"]["with_mean"], "new");
        assert_eq!(after("steps.impute.how.fill")["settings"]["steps"][2]["settings"]["how"]["fill"], "new");
    }

    #[test]
    fn paths_that_lead_nowhere_say_where_they_could() {
        let refused = |path: &str| set(&mut recipe(), path, json!(1)).unwrap_err().to_string();
        assert!(refused("model.rate").contains("there is steps, trainer"), "{}", refused("model.rate"));
        assert!(refused("steps.7.x").contains("2 (impute)"), "{}", refused("steps.7.x"));
        assert!(refused("steps.scale.x").contains("give the number"), "{}", refused("steps.scale.x"));
        assert!(refused("trainer.rate.x.y").contains("has no 'x'"), "{}", refused("trainer.rate.x.y"));
    }
}
