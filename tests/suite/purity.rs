//! The crate graph proves that the core cannot look at anything.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Everything that a package links in a normal build, by name.
fn linked(metadata: &Value, package: &str) -> BTreeSet<String> {
    let names = metadata["packages"].as_array().unwrap().iter();
    let names = names.map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap())).collect::<BTreeMap<_, _>>();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap().iter();
    let nodes = nodes.map(|node| (node["id"].as_str().unwrap(), node)).collect::<BTreeMap<_, _>>();
    let start = *names.iter().find(|(_, name)| **name == package).unwrap().0;
    let mut seen = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(id) = open.pop() {
        for dependency in nodes[id]["deps"].as_array().unwrap() {
            // Of a normal dependency the kind is null.
            let normal = dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null());
            let id = dependency["pkg"].as_str().unwrap();
            if normal && seen.insert(id) {
                open.push(id);
            }
        }
    }
    seen.remove(start);
    seen.into_iter().map(|id| names[id].to_owned()).collect()
}

#[test]
fn the_core_links_no_sdk_no_runtime_and_no_client() {
    // For this platform only: packages for others were never downloaded, and a test asks no registry.
    let version = std::process::Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let host = String::from_utf8(version).unwrap().lines().find_map(|line| line.strip_prefix("host: ").map(str::to_owned)).unwrap();
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata = serde_json::from_slice::<Value>(&output.stdout).unwrap();
    let impure = |name: &String| {
        name.starts_with("aws-")
            || name.starts_with("aws_")
            || ["tokio", "reqwest", "hyper", "rustls", "openssl", "rand", "getrandom", "lambda_runtime", "mio", "socket2"]
                .contains(&name.as_str())
    };
    let core = linked(&metadata, "guardian-core");
    assert_eq!(core.iter().filter(|name| impure(name)).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(core.contains("serde") && core.contains("jiff"), "the walk finds what is there: {core:?}");
    // The same walk finds them where they belong, so that it is not blind.
    let edge = linked(&metadata, "guardian-aws");
    assert!(edge.contains("aws-sdk-backup") && edge.contains("tokio"), "{edge:?}");
}
