//! A name for a service that was given none: easy to say, hard to meet twice.

use common::Name;

const ADJECTIVES: [&str; 64] = [
    "amber", "bold", "brave", "bright", "brisk", "busy", "calm", "clever", "cosy", "curious",
    "daring", "deft", "eager", "early", "earnest", "fair", "fleet", "fond", "gentle", "glad",
    "golden", "grand", "happy", "hardy", "honest", "humble", "jolly", "keen", "kind", "lively",
    "loyal", "lucid", "lucky", "mellow", "merry", "mild", "modest", "neat", "nimble", "noble",
    "patient", "placid", "plucky", "polite", "proud", "quick", "quiet", "rapid", "ready", "serene",
    "sharp", "silent", "sleek", "smart", "steady", "sturdy", "sunny", "swift", "tidy", "vivid",
    "warm", "wise", "witty", "zesty",
];

const NOUNS: [&str; 64] = [
    "acorn", "alder", "aster", "badger", "beech", "birch", "bloom", "bramble", "brook", "buzzard",
    "clover", "comb", "crane", "crocus", "daisy", "drone", "elm", "falcon", "fern", "finch",
    "forager", "fox", "garden", "hazel", "heath", "heather", "heron", "hive", "honey", "hornet",
    "iris", "ivy", "jay", "lark", "lavender", "linden", "lynx", "maple", "marten", "meadow",
    "nectar", "nettle", "oak", "orchard", "otter", "owl", "petal", "pollen", "poppy", "queen",
    "raven", "robin", "rowan", "sage", "skylark", "sparrow", "sprout", "swarm", "thistle", "thyme",
    "tulip", "violet", "willow", "wren",
];

pub(in crate::cli) fn made_up(random: u64) -> Name {
    let pick = |words: &[&'static str; 64], shift: u32| words[(random >> shift & 63) as usize];
    let text = format!("{}_{}", pick(&ADJECTIVES, 0), pick(&NOUNS, 6));
    text.parse().expect("letters around an underscore are a name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_draw_is_a_name_and_its_own() {
        let names: std::collections::BTreeSet<Name> = (0..64 * 64).map(made_up).collect();
        assert_eq!(names.len(), 64 * 64);
        assert_eq!(made_up(u64::MAX).as_str(), "zesty_wren");
    }
}
