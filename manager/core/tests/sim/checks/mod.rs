//! What must hold. Knows nothing of how it is brought about: it reads the committed state, what
//! the played world has handed over, and what the played engines run.

pub(crate) mod commit;
pub(crate) mod data;
pub(crate) mod end;
pub(crate) mod order;
pub(crate) mod plan;
pub(crate) mod update;
pub(crate) mod work;

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    // After every commit.
    StateHolds,
    NothingGoesBack,
    NoLiveTaskForgotten,
    ManagersAgree,
    // Where a leader proposes.
    OneProposal,
    NoOldState,
    TimeGoesOn,
    NothingInVain,
    NothingMustStay,
    FitPlace,
    WithItsData,
    OneTrial,
    TrulySilent,
    InTurn,
    NeverWithout,
    OneAfterTheOther,
    AtATime,
    FirstThingsFirst,
    LastThingsLast,
    // Where an agent acts.
    LooksFirst,
    AsMade,
    OneAttempt,
    EndsAreFinal,
    StopsOnlyUnwanted,
    KeptIsKept,
    CompleteFirst,
    MembersStay,
    NoTwins,
    NeverTwice,
    // Once all is mended and there was time.
    SomebodyLeads,
    Replicas,
    UpToDate,
    RunsAsSaid,
    NothingLeftOver,
    AllForgotten,
    AllAcknowledged,
    QuietAtRest,
}

impl Rule {
    fn as_str(self) -> &'static str {
        match self {
            Rule::StateHolds => "the state holds together",
            Rule::NothingGoesBack => "nothing goes back",
            Rule::NoLiveTaskForgotten => "no task is forgotten before it ended",
            Rule::ManagersAgree => "all managers have the same state",
            Rule::OneProposal => "one proposal at a time",
            Rule::NoOldState => "no plan on a state before the own last commit",
            Rule::TimeGoesOn => "a leader's stamps only rise",
            Rule::NothingInVain => "a plan can be applied to what it was made on",
            Rule::NothingMustStay => "no task is left where it cannot stay",
            Rule::FitPlace => "a task is placed where it may run and fits",
            Rule::WithItsData => "a task is placed where its data lies",
            Rule::OneTrial => "a node is tried once for an image",
            Rule::TrulySilent => "no node that was heard counts as silent",
            Rule::InTurn => "an update takes no more slots at a time than it may",
            Rule::NeverWithout => "nothing is stopped for a successor that is not ready",
            Rule::OneAfterTheOther => "a successor starts when its predecessor has ended",
            Rule::AtATime => "a job has no more tasks at a time than it may",
            Rule::FirstThingsFirst => "what needs others starts after them",
            Rule::LastThingsLast => "what others need goes after them",
            Rule::LooksFirst => "an agent looks before it creates",
            Rule::AsMade => "a container is made from what its task is made from",
            Rule::OneAttempt => "a task is started once",
            Rule::EndsAreFinal => "what is said to have ended does not run",
            Rule::StopsOnlyUnwanted => "an agent ends only what is not wanted",
            Rule::KeptIsKept => "what was acknowledged is kept",
            Rule::CompleteFirst => "a session begins with all there is",
            Rule::MembersStay => "a member is not told to leave",
            Rule::NeverTwice => "what must not run twice does not",
            Rule::NoTwins => "a task has one container",
            Rule::SomebodyLeads => "somebody leads",
            Rule::UpToDate => "what runs is what is wished for",
            Rule::Replicas => "as many run as are wished for",
            Rule::RunsAsSaid => "what counts as running runs",
            Rule::NothingLeftOver => "nothing else runs or lies about",
            Rule::AllForgotten => "what is to be forgotten is forgotten",
            Rule::AllAcknowledged => "all reports were acknowledged",
            Rule::QuietAtRest => "an idle cluster is quiet",
        }
    }
}

#[derive(Clone)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    pub(crate) detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.rule.as_str(), self.detail)
    }
}
