//! What must hold of a merge, whatever the hooks say.

#![allow(clippy::unwrap_used)]

use codex_plus_hooks::merge::Merged;
use codex_plus_hooks::output::{HookOutcome, Permission};
use proptest::option::of;
use proptest::prelude::*;
use serde_json::json;

fn outcome() -> impl Strategy<Value = HookOutcome> {
    let permission = prop::sample::select(vec![
        Permission::Allow,
        Permission::Ask,
        Permission::Defer,
        Permission::Deny,
    ]);
    let text = || of("[a-z]{1,4}");
    (
        text(),
        text(),
        of((permission, text())),
        text(),
        of(0..9u8),
        of(0..9u8),
    )
        .prop_map(
            |(block, stop, permission, context, input, output)| HookOutcome {
                block,
                stop,
                permission,
                context,
                updated_input: input.map(|n| json!({"n": n})),
                updated_output: output.map(|n| json!(n)),
                ..HookOutcome::default()
            },
        )
}

proptest! {
    #[test]
    fn merge_rules(outcomes in prop::collection::vec(outcome(), 0..6)) {
        let named = |outcomes: &[HookOutcome]| {
            let names = std::iter::repeat("hook");
            Merged::of(names.zip(outcomes.to_vec()))
        };
        let merged = named(&outcomes);
        // A block is never lost, and its reason is the first one's.
        prop_assert_eq!(&merged.block, &outcomes.iter().find_map(|o| o.block.clone()));
        prop_assert_eq!(&merged.stop, &outcomes.iter().find_map(|o| o.stop.clone()));
        // deny > defer > ask > allow.
        let strongest = outcomes.iter().filter_map(|o| o.permission.as_ref().map(|p| p.0)).max();
        prop_assert_eq!(merged.permission.as_ref().map(|p| p.0), strongest);
        if strongest == Some(Permission::Deny) {
            prop_assert!(merged.refusal().is_some());
        }
        // Context in order, the last update wins and each one replaced is noted.
        let context: Vec<_> = outcomes.iter().filter_map(|o| o.context.clone()).collect();
        prop_assert_eq!(&merged.context, &context);
        let inputs: Vec<_> = outcomes.iter().filter_map(|o| o.updated_input.clone()).collect();
        let outputs: Vec<_> = outcomes.iter().filter_map(|o| o.updated_output.clone()).collect();
        prop_assert_eq!(merged.updated_input.as_ref(), inputs.last());
        prop_assert_eq!(merged.updated_output.as_ref(), outputs.last());
        let replaced = inputs.len().saturating_sub(1) + outputs.len().saturating_sub(1);
        prop_assert_eq!(merged.notes.len(), replaced);
        // Whether something is refused, and the word on a call, do not hang on the order.
        let mut turned = outcomes.clone();
        turned.reverse();
        let turned = named(&turned);
        prop_assert_eq!(merged.refusal().is_some(), turned.refusal().is_some());
        prop_assert_eq!(turned.permission.as_ref().map(|p| p.0), strongest);
        prop_assert_eq!(merged.is_unchanged(), turned.is_unchanged());
    }
}
