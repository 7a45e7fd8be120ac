//! The real store on real files loses its power at any moment: nothing that was acknowledged is
//! lost, and no disk needs a person's help.

use integration::disk::Cuts;
use std::path::PathBuf;

const CUTS: u64 = 30;
/// For a night of its own.
const CUTS_VARIABLE: &str = "SKEP_CUTS";
const SEED_VARIABLE: &str = "SKEP_CUTS_SEED";
/// A folder that keeps the disks that were not found sound.
const KEEP_VARIABLE: &str = "SKEP_CUTS_KEEP";

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |it| it.parse().expect("a number"))
}

#[test]
fn what_was_acknowledged_survives_power_cuts_of_the_real_store() {
    let home = tempfile::tempdir().unwrap();
    let keep = std::env::var_os(KEEP_VARIABLE).map(PathBuf::from);
    let seed = number(SEED_VARIABLE, 1);
    let count = number(CUTS_VARIABLE, CUTS);
    let cuts = Cuts { home: home.path().to_owned(), seed, count, keep };
    let tally = cuts.run().unwrap();
    let (sound, refused, lost) = (tally.sound, tally.refused, tally.lost);
    println!("{sound} disks sound, {} refused, {} with losses", refused.len(), lost.len());
    println!("{} of them lacked something that was not synced", tally.harmed);
    assert!(lost.is_empty(), "seed {seed}: {lost:#?}");
    assert!(refused.is_empty(), "seed {seed}: {refused:#?}");
    assert_eq!(sound, count);
    assert!(tally.harmed >= count / 3, "{} of {count} cuts took something", tally.harmed);
}
