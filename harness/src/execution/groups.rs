//! Groups of tests that share the processes in which their fixtures are built.
//!
//! 1. Group 0 has no fixtures; its tests are forked from the zygote's supervisors.
//! 2. Session fixtures that any test declares together, or that need each other, are one group below
//!    group 0, so that each is built once. Module fixtures add a group per module below it, fixtures
//!    of a test one per test.
//! 3. The processes of a group are forked from those of its parent and have its fixtures too.
//!
//! Only tests that will run are given: a fixture of others is never built.

use crate::cases::definition::{Isolation, TestDefinition};
use crate::cases::fixture::{FixtureScope, SessionFixture, is_same};
use crate::error::Error;

/// A fixture of any type.
pub type AnyFixture = &'static dyn SessionFixture;

/// Fixtures built one after another, and the tests and groups that need them.
pub struct Group {
    /// The group whose processes this one's are forked from; that of group 0 is itself.
    pub parent: usize,
    /// What is built for it, in this order.
    pub fixtures: Vec<AnyFixture>,
    /// Its session group, module or test: groups of one scope and one owner are one group.
    owner: (FixtureScope, String),
}

/// The groups of a run.
#[derive(Default)]
pub struct Groups {
    /// Parents stand before their children.
    pub all: Vec<Group>,
    /// The group of each test; 0 for tests that do not run.
    of_test: Vec<usize>,
}

impl Groups {
    /// Groups the tests at these positions of the list.
    pub fn new(tests: &[TestDefinition], run: &[usize]) -> Self {
        let root = Group {
            parent: 0,
            fixtures: Vec::new(),
            owner: (FixtureScope::Session, String::new()),
        };
        let mut groups = Self { all: vec![root], of_test: vec![0; tests.len()] };
        let sessions = session_components(tests, run);
        for &at in run {
            let fixtures = declared(&tests[at]);
            if !fixtures.is_empty() {
                groups.of_test[at] = groups.place(&tests[at], &fixtures, &sessions);
            }
        }
        groups
    }

    /// The group of a test.
    pub fn of(&self, test: usize) -> usize {
        self.of_test.get(test).copied().unwrap_or(0)
    }

    fn place(
        &mut self,
        test: &TestDefinition,
        fixtures: &[AnyFixture],
        sessions: &[Vec<AnyFixture>],
    ) -> usize {
        let module = test.name.rsplit_once("::").map_or("", |(module, _)| module);
        let mut group = 0;
        let session = sessions.iter().position(|session| contains(session, fixtures));
        if let Some(session) = session {
            let owner = (FixtureScope::Session, format!("{session}"));
            group = self.below(group, owner, &sessions[session]);
        }
        for (scope, owner) in [(FixtureScope::Module, module), (FixtureScope::Test, &*test.name)] {
            let scoped: Vec<_> =
                fixtures.iter().copied().filter(|fixture| fixture.scope_of() == scope).collect();
            if !scoped.is_empty() {
                group = self.below(group, (scope, owner.into()), &scoped);
            }
        }
        group
    }

    fn below(
        &mut self,
        parent: usize,
        owner: (FixtureScope, String),
        fixtures: &[AnyFixture],
    ) -> usize {
        let known = self
            .all
            .iter()
            .skip(1)
            .position(|group| group.parent == parent && group.owner == owner);
        let group = known.map_or(self.all.len(), |at| at + 1);
        if group == self.all.len() {
            self.all.push(Group { parent, fixtures: Vec::new(), owner });
        }
        for fixture in fixtures {
            add(&mut self.all[group].fixtures, *fixture);
        }
        group
    }
}

/// What a test in a forked process declares, with what that needs, in the order of building.
pub fn declared(test: &TestDefinition) -> Vec<AnyFixture> {
    let mut all = Vec::new();
    if test.attributes.isolation == Isolation::Fork {
        for fixture in test.attributes.fixtures() {
            add_with_needs(&mut all, &mut Vec::new(), fixture);
        }
    }
    all
}

fn add_with_needs(all: &mut Vec<AnyFixture>, path: &mut Vec<AnyFixture>, fixture: AnyFixture) {
    // A cycle is told by the builder that comes back to itself.
    if path.iter().any(|above| is_same(*above, fixture)) {
        return;
    }
    path.push(fixture);
    for needed in fixture.needed() {
        add_with_needs(all, path, *needed);
    }
    path.pop();
    add(all, fixture);
}

fn add(all: &mut Vec<AnyFixture>, fixture: AnyFixture) {
    if !all.iter().any(|known| is_same(*known, fixture)) {
        all.push(fixture);
    }
}

fn contains(session: &[AnyFixture], any_of: &[AnyFixture]) -> bool {
    session.iter().any(|one| any_of.iter().any(|other| is_same(*one, *other)))
}

/// Rule 2 for session fixtures.
fn session_components(tests: &[TestDefinition], run: &[usize]) -> Vec<Vec<AnyFixture>> {
    let mut components: Vec<Vec<AnyFixture>> = Vec::new();
    for &at in run {
        let mut wanted = declared(&tests[at]);
        wanted.retain(|fixture| fixture.scope_of() == FixtureScope::Session);
        if wanted.is_empty() {
            continue;
        }
        let (joined, apart): (Vec<_>, Vec<_>) =
            components.into_iter().partition(|known| contains(known, &wanted));
        components = apart;
        let mut together = Vec::new();
        for fixture in joined.into_iter().flatten().chain(wanted) {
            add(&mut together, fixture);
        }
        components.push(together);
    }
    components
}

/// Two fixtures of one name cannot be told apart in messages.
///
/// # Errors
/// [`Error::DuplicateFixture`].
pub fn check_names(tests: &[TestDefinition]) -> Result<(), Error> {
    let mut known: Vec<AnyFixture> = Vec::new();
    for fixture in tests.iter().flat_map(declared) {
        match known.iter().find(|other| other.name() == fixture.name()) {
            None => known.push(fixture),
            Some(other) if is_same(*other, fixture) => {}
            Some(_) => return Err(Error::DuplicateFixture { name: fixture.name().into() }),
        }
    }
    Ok(())
}
