//! A table in memory behind the real client: the operations and the forms of condition that incidents use, decided as DynamoDB documents them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

use crate::canned::{Call, Canned, Reply, ok};

type Key = (String, String);

/// Items by key.
pub(super) type Items = Arc<Mutex<BTreeMap<Key, Value>>>;

fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name]["S"].as_str().unwrap()
}

fn key_of(item: &Value) -> Key {
    (text(item, "pk").to_owned(), text(item, "sk").to_owned())
}

/// `a = :b`, `a < :b`, `attribute_not_exists(a)`, joined by `AND` or by `OR`.
fn holds(item: Option<&Value>, request: &Value) -> bool {
    let Some(condition) = request["ConditionExpression"].as_str() else { return true };
    let name = |raw: &str| request["ExpressionAttributeNames"][raw].as_str().unwrap_or(raw).to_owned();
    let term = |term: &str| {
        if let Some(absent) = term.strip_prefix("attribute_not_exists(") {
            return item.is_none_or(|item| item.get(name(absent.trim_end_matches(')'))).is_none());
        }
        let [left, operator, right] = term.split(' ').collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("unknown term: {term}"));
        let Some(held) = item.and_then(|item| item.get(name(left))) else { return false };
        let given = &request["ExpressionAttributeValues"][right];
        let number = |value: &Value| value["N"].as_str().unwrap().parse::<i64>().unwrap();
        match operator {
            "=" => held == given,
            "<" => number(held) < number(given),
            other => panic!("unknown operator: {other}"),
        }
    };
    if condition.contains(" OR ") { condition.split(" OR ").any(term) } else { condition.split(" AND ").all(term) }
}

fn refused() -> Reply {
    (400, vec![], json!({"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "no"}).to_string())
}

fn write(items: &mut BTreeMap<Key, Value>, request: &Value, delete: bool) {
    let of = if delete { &request["Key"] } else { &request["Item"] };
    if delete {
        items.remove(&key_of(of));
    } else {
        items.insert(key_of(of), of.clone());
    }
}

fn answer(items: &Items, call: &Call) -> Reply {
    let mut items = items.lock().unwrap();
    let body = &call.body;
    match call.operation.strip_prefix("DynamoDB_20120810.").unwrap() {
        "BatchGetItem" => {
            let mut responses = Map::new();
            for (table, wanted) in body["RequestItems"].as_object().unwrap() {
                assert_eq!(wanted["ConsistentRead"], true);
                let keys = wanted["Keys"].as_array().unwrap();
                let mut distinct = keys.iter().map(key_of).collect::<Vec<_>>();
                distinct.dedup();
                assert_eq!(distinct.len(), keys.len(), "DynamoDB refuses a key that is named twice");
                let found = keys.iter().filter_map(|key| items.get(&key_of(key)).cloned()).collect::<Vec<_>>();
                responses.insert(table.clone(), found.into());
            }
            ok(json!({"Responses": responses, "UnprocessedKeys": {}}))
        }
        "BatchWriteItem" => {
            for (_, requests) in body["RequestItems"].as_object().unwrap() {
                let requests = requests.as_array().unwrap();
                let request =
                    |request: &Value| request.get("PutRequest").map_or(&request["DeleteRequest"]["Key"], |put| &put["Item"]).clone();
                let mut distinct = requests.iter().map(|one| key_of(&request(one))).collect::<Vec<_>>();
                distinct.sort();
                distinct.dedup();
                assert!(distinct.len() == requests.len() && requests.len() <= 25, "DynamoDB refuses more, and a key that is named twice");
                for one in requests {
                    let delete = one.get("DeleteRequest");
                    write(&mut items, delete.unwrap_or(&one["PutRequest"]), delete.is_some());
                }
            }
            ok(json!({"UnprocessedItems": {}}))
        }
        "TransactWriteItems" => {
            let actions = body["TransactItems"].as_array().unwrap();
            let parts = actions.iter().map(|action| match action.get("Put") {
                Some(put) => (put, key_of(&put["Item"]), false),
                None => (&action["Delete"], key_of(&action["Delete"]["Key"]), true),
            });
            let parts = parts.collect::<Vec<_>>();
            let reasons = parts.iter().map(|(request, key, _)| holds(items.get(key), request)).collect::<Vec<_>>();
            if reasons.contains(&false) {
                let reasons = reasons.iter().map(|held| json!({"Code": if *held { "None" } else { "ConditionalCheckFailed" }}));
                let body =
                    json!({"__type": "TransactionCanceledException", "Message": "no", "CancellationReasons": reasons.collect::<Vec<_>>()});
                return (400, vec![], body.to_string());
            }
            for (request, _, delete) in parts {
                write(&mut items, request, delete);
            }
            ok("{}")
        }
        operation @ ("PutItem" | "DeleteItem") => {
            let delete = operation == "DeleteItem";
            let key = key_of(if delete { &body["Key"] } else { &body["Item"] });
            if !holds(items.get(&key), body) {
                return refused();
            }
            write(&mut items, body, delete);
            ok("{}")
        }
        "Query" => {
            let values = &body["ExpressionAttributeValues"];
            let beginning = values[":beginning"]["S"].as_str().unwrap_or_default();
            let of = |key: &Key| key.0 == text(values, ":pk") && key.1.starts_with(beginning);
            let found = items.iter().filter(|(key, _)| of(key)).map(|(_, item)| item.clone()).collect::<Vec<_>>();
            ok(json!({"Count": found.len(), "Items": found}))
        }
        other => panic!("unknown operation: {other}"),
    }
}

/// The client of a table, over items that others may share.
pub(super) fn table(items: &Items) -> Canned {
    let items = Arc::clone(items);
    Canned::new(move |_, call| Some(answer(&items, call)))
}
