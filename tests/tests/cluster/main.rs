//! Clusters of real daemons in one process, over real connections and disks; only the container
//! engines are played.

mod certificates;
mod failures;
mod files;
mod forming;
mod joining;
mod membership;
mod quorum;
mod writes;
