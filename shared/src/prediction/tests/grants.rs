//! Copies that hang on grants: which keys a sweep asks for them, and how a key was before a write on it.

use super::*;
use crate::policy::Grant;

fn grant(operations: &[&str]) -> Grant {
    Grant { grantee: COPIER.to_owned(), operations: operations.iter().map(|name| (*name).to_owned()).collect(), ..Grant::default() }
}

fn whole() -> Grant {
    grant(&["DescribeKey", "CreateGrant", "ReEncryptFrom", "GenerateDataKeyWithoutPlaintext", "Decrypt"])
}

fn id() -> ObjectId {
    ObjectId::Key(key_of(SOURCES[0]))
}

/// The key of the first source with these grants; its policy lets nobody of another account in.
fn narrow(grants: Fact<Vec<Grant>>) -> Held {
    let Held::Key { key, policy, .. } = key(&key_of(SOURCES[0]), vec![own(SOURCES[0])]) else { panic!() };
    Held::Key { key, policy, grants: grants.map_known(|grants| KeyGrants { key_arn: key_of(SOURCES[0]), grants }) }
}

fn grants_of(held: &Held) -> Option<Vec<Grant>> {
    let Held::Key { grants, .. } = held else { panic!() };
    grants.known().map(|known| known.grants.clone())
}

#[test]
fn a_sweep_asks_for_grants_only_where_no_policy_lets_the_copy_in() {
    let mut kept = estate();
    for held in kept.objects.values_mut() {
        if let Held::Key { grants, .. } = held {
            *grants = Fact::NotAsked;
        }
    }
    assert!(decided_by_grants(&kept).is_empty(), "the policies let every copy in");
    kept.objects.insert(id(), narrow(Fact::NotAsked));
    assert_eq!(decided_by_grants(&kept), [key_of(SOURCES[0])].into());
    // It fails for something else today, and will hang on the grant tomorrow.
    kept.objects.insert(ObjectId::Vault(arn(CENTRAL)), vault(&arn(CENTRAL), &arn(CENTRAL_KEY), None));
    assert_eq!(decided_by_grants(&kept), [key_of(SOURCES[0])].into());
    kept.objects.insert(id(), narrow(known(Vec::new())));
    assert!(decided_by_grants(&kept).is_empty(), "they are known");
    kept.objects.insert(id(), narrow(refused()));
    assert!(decided_by_grants(&kept).is_empty(), "they were asked for");
}

#[test]
fn a_grant_that_goes_was_there_before_and_one_that_comes_was_not() {
    let (some, other) = (vec![whole()], vec![grant(&["Decrypt"])]);
    let both = vec![whole(), grant(&["Decrypt"])];
    let made = json!({"granteePrincipal": COPIER, "operations": ["Decrypt"]});
    let known = |grants: &Vec<Grant>| known(grants.clone());
    for (why, event_name, request, kept, seen, expected) in [
        ("the record does not say what it let anybody do", "RevokeGrant", json!({}), known(&some), known(&vec![]), Some(&some)),
        ("others stay", "RetireGrant", json!({}), known(&some), known(&other), Some(&both)),
        ("nobody knew it", "RevokeGrant", json!({}), Fact::NotAsked, known(&vec![]), None),
        ("it could not be read then", "RevokeGrant", json!({}), refused(), known(&vec![]), None),
        ("nothing is known now", "RevokeGrant", json!({}), known(&some), refused(), Some(&some)),
        ("the record says which it is", "CreateGrant", made.clone(), Fact::NotAsked, known(&both), Some(&some)),
        ("what services made meanwhile was there", "CreateGrant", made.clone(), known(&vec![]), known(&both), Some(&some)),
        ("the record leaves it out", "CreateGrant", json!({}), known(&some), known(&both), Some(&some)),
        ("it is gone again", "CreateGrant", made, Fact::NotAsked, known(&some), None),
        ("the write is about something else", "PutKeyPolicy", json!({}), Fact::NotAsked, known(&some), Some(&some)),
        ("services gave it back meanwhile", "DisableKey", json!({}), known(&both), known(&some), Some(&some)),
        ("nothing is known now", "PutKeyPolicy", json!({}), known(&some), refused(), Some(&some)),
    ] {
        let before = as_it_was(&narrow(kept), &narrow(seen), event_name, &request);
        assert_eq!(grants_of(&before).as_ref(), expected, "{event_name}: {why}");
    }
}

#[test]
fn a_copy_that_hangs_on_a_grant_breaks_with_it() {
    let kept = estate();
    let turned = |before: Fact<Vec<Grant>>, after: Vec<Grant>| {
        let with = |held: Held| overlay(&kept.objects, Objects::from([(id(), held)]));
        let mut unknown = with(narrow(known(Vec::new())));
        unknown.insert(id(), narrow(before));
        let told = shifts(&kept.legs, &unknown, &with(narrow(known(after))), None);
        (told.broken.len(), told.suspected.len(), told.mended.len(), told.open.len(), told.failing)
    };
    assert_eq!(turned(known(vec![whole()]), vec![]), (1, 0, 0, 0, 0));
    assert_eq!(turned(known(vec![]), vec![whole()]), (0, 0, 1, 0, 0));
    assert_eq!(turned(known(vec![grant(&["Decrypt"])]), vec![]), (0, 0, 0, 0, 1), "by that one it failed all along");
    assert_eq!(turned(Fact::NotAsked, vec![]), (0, 1, 0, 0, 0), "perhaps it worked");
    assert_eq!(turned(Fact::NotAsked, vec![whole()]), (0, 0, 0, 0, 0));
}

#[test]
fn what_was_not_read_then_is_as_it_was_read_since_and_the_rest_stays() {
    let key = narrow(known(Vec::new()));
    let Held::Key { key: state, policy, .. } = key.clone() else { panic!() };
    let swept = Held::Key { key: refused(), policy: policy.clone(), grants: Fact::NotAsked };
    let opened =
        Held::Key { key: state.clone(), policy: refused(), grants: known(KeyGrants { key_arn: key_of(SOURCES[0]), grants: vec![] }) };
    let since = Objects::from([(id(), opened.clone())]);
    assert_eq!(filled(Objects::from([(id(), swept)]), &since)[&id()], key);
    assert_eq!(filled(Objects::new(), &since)[&id()], opened, "what nobody knew of");
    let gone = Gap { reason: GapReason::NotFound, ..refused::<Key>().gap().unwrap().clone() };
    let gone = Held::Key { key: Fact::Gap(gone), policy: policy.clone(), grants: Fact::NotAsked };
    let Held::Key { key: still, .. } = &filled(Objects::from([(id(), gone.clone())]), &since)[&id()] else { panic!() };
    let Held::Key { key: was, .. } = &gone else { panic!() };
    assert_eq!(still, was, "that there was no such key is an answer");
}
