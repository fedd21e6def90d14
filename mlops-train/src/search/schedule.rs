//! Which trial goes on to which rung, and when: a sequence that does not depend on how long anything
//! takes.
//!
//! Job number k is chosen by the results of the jobs up to k − `concurrency`, never by whichever
//! happens to be done. So a search gives the same trials on a slow machine, on one that was killed
//! half way, and with any number of threads; the price is that a worker waits when a job takes
//! longer than `concurrency` − 1 others together.

use serde_json::Value as Json;

use super::sampler::{Sampler, Seen};
use super::{Halving, Values};

/// A trial on a rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Job {
    pub(super) trial: usize,
    pub(super) rung: usize,
}

/// What a schedule says next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Job(Job),
    /// Nothing can be chosen by the results that may be looked at; ask again with one more.
    Idle,
    Done,
}

#[derive(Debug)]
pub(super) struct Schedule<'a> {
    space: &'a [Values],
    sampler: Sampler,
    halving: Option<&'a Halving>,
    rungs: usize,
    most_trials: usize,
    seed: u64,
    concurrency: usize,
    points: Vec<Vec<Json>>,
    brackets: Vec<usize>,
    /// In order; `None` where there was nothing to do.
    jobs: Vec<Option<Job>>,
    /// Of each job; infinite for one that failed.
    losses: Vec<Option<f64>>,
}

impl<'a> Schedule<'a> {
    pub(super) fn new(
        space: &'a [Values],
        sampler: Sampler,
        halving: Option<&'a Halving>,
        rungs: usize,
        most_trials: usize,
        seed: u64,
        concurrency: usize,
    ) -> Self {
        let (points, brackets, jobs, losses) = Default::default();
        let most_trials = most_trials.min(sampler.limit(space));
        Self { space, sampler, halving, rungs, most_trials, seed, concurrency, points, brackets, jobs, losses }
    }

    /// How many trials there will be.
    pub(super) fn most_trials(&self) -> usize {
        self.most_trials
    }

    /// The values of a trial.
    pub(super) fn point(&self, trial: usize) -> &[Json] {
        &self.points[trial]
    }

    /// Keeps the result of a job; NaN counts as a failure.
    pub(super) fn record(&mut self, job: Job, loss: f64) {
        if let Some(i) = self.jobs.iter().position(|known| *known == Some(job)) {
            self.losses[i] = Some(if loss.is_nan() { f64::INFINITY } else { loss });
        }
    }

    /// The earliest job whose result [`next`](Self::next) is to know, if it is not there yet.
    pub(super) fn awaits(&self) -> Option<Job> {
        let known = self.jobs.iter().zip(&self.losses).take(self.visible());
        known.filter(|(_, loss)| loss.is_none()).find_map(|(job, _)| *job)
    }

    /// How many of the jobs the next choice may look at.
    fn visible(&self) -> usize {
        (self.jobs.len() + 1).saturating_sub(self.concurrency)
    }

    /// What to do next; only while nothing is [awaited](Self::awaits).
    pub(super) fn next(&mut self) -> Next {
        let job = self.promotion().or_else(|| self.start());
        if job.is_none() && self.jobs[self.visible()..].iter().all(Option::is_none) {
            return Next::Done;
        }
        self.jobs.push(job);
        self.losses.push(None);
        job.map_or(Next::Idle, Next::Job)
    }

    /// The results that may be looked at.
    fn seen(&self) -> impl Iterator<Item = (Job, f64)> {
        let known = self.jobs.iter().zip(&self.losses).take(self.visible());
        known.filter_map(|(job, loss)| Some(((*job)?, (*loss)?)))
    }

    /// The best trial that may go on, of the highest rung that has one.
    fn promotion(&self) -> Option<Job> {
        let halving = self.halving?;
        let places =
            (0..self.rungs - 1).rev().flat_map(|rung| (0..halving.brackets).map(move |bracket| (rung, bracket)));
        places.into_iter().find_map(|(rung, bracket)| {
            let mut here: Vec<(f64, usize)> = self
                .seen()
                .filter(|(job, _)| job.rung == rung && self.brackets[job.trial] == bracket)
                .map(|(job, loss)| (loss, job.trial))
                .collect();
            if halving.synchronous && here.len() < self.expected(rung, bracket)? {
                return None;
            }
            here.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            here.truncate(here.len() / halving.eta as usize);
            let promoted = |trial: usize| self.jobs.contains(&Some(Job { trial, rung: rung + 1 }));
            let next = here.into_iter().find(|(loss, trial)| loss.is_finite() && !promoted(*trial))?;
            Some(Job { trial: next.1, rung: rung + 1 })
        })
    }

    /// How many trials of a bracket a rung is to have; `None` while trials are still to start.
    fn expected(&self, rung: usize, bracket: usize) -> Option<usize> {
        let eta = self.halving?.eta as usize;
        let trials = self.brackets.iter().filter(|of| **of == bracket).count();
        let all = self.points.len() == self.most_trials;
        all.then(|| (bracket..rung).fold(trials, |trials, _| trials / eta))
    }

    /// The first job of a new trial.
    fn start(&mut self) -> Option<Job> {
        let trial = self.points.len();
        if trial == self.most_trials {
            return None;
        }
        let point = {
            // The furthest a trial got.
            let mut best: Vec<Option<(usize, f64)>> = vec![None; trial];
            for (job, loss) in self.seen() {
                let place = &mut best[job.trial];
                if place.is_none_or(|(rung, _)| rung < job.rung) {
                    *place = Some((job.rung, loss));
                }
            }
            let seen = best.iter().zip(&self.points);
            let seen = seen.filter_map(|(best, point)| best.map(|(rung, loss)| Seen { point, rung, loss }));
            self.sampler.point(self.space, self.seed, trial, &seen.collect::<Vec<_>>())?
        };
        let bracket = self.next_bracket();
        self.points.push(point);
        self.brackets.push(bracket);
        // Without brackets a trial begins on the first rung, which is the last if nothing is halved.
        Some(Job { trial, rung: bracket })
    }

    /// The bracket that lacks most of the trials that Hyperband would give it: `eta` to the number of
    /// rungs still above, divided by the rungs there are.
    fn next_bracket(&self) -> usize {
        let Some(halving) = self.halving else { return 0 };
        let weight = |bracket: usize| {
            let above = self.rungs - 1 - bracket;
            f64::from(halving.eta).powi(above as i32) * self.rungs as f64 / (above + 1) as f64
        };
        let lack = |bracket: usize| {
            let there = self.brackets.iter().filter(|of| **of == bracket).count();
            (there + 1) as f64 / weight(bracket)
        };
        (0..halving.brackets).min_by(|a, b| lack(*a).total_cmp(&lack(*b))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn space() -> Vec<Values> {
        vec![Values::uniform(0.0, 1.0)]
    }

    /// Runs a schedule whose jobs end in any order that `concurrency` workers allow.
    fn run(
        halving: Option<&Halving>,
        rungs: usize,
        concurrency: usize,
        mut order: impl FnMut(usize) -> usize,
    ) -> Vec<Job> {
        let space = space();
        let mut schedule = Schedule::new(&space, Sampler::default(), halving, rungs, 27, 7, concurrency);
        let mut running: Vec<Job> = Vec::new();
        let mut done = Vec::new();
        loop {
            while schedule.awaits().is_some() {
                let job = running.remove(order(running.len()));
                let x = schedule.point(job.trial)[0].as_f64().unwrap();
                schedule.record(job, (x - 0.3).abs() / (1 + job.rung) as f64);
            }
            match schedule.next() {
                Next::Job(job) => {
                    running.push(job);
                    done.push(job);
                    assert!(running.len() <= concurrency, "{} jobs at a time", running.len());
                }
                Next::Idle => {}
                Next::Done => return done,
            }
        }
    }

    fn on(jobs: &[Job], rung: usize) -> usize {
        jobs.iter().filter(|job| job.rung == rung).count()
    }

    proptest! {
        #[test]
        fn the_order_in_which_jobs_end_does_not_matter(
            picks in prop::collection::vec(any::<u8>(), 200), concurrency in 1usize..6, synchronous: bool, brackets in 1usize..3,
        ) {
            let halving = Halving::rows(0.1).with_synchronous(synchronous).with_brackets(brackets);
            let mut picks = picks.into_iter().cycle();
            let any = run(Some(&halving), 3, concurrency, |n| picks.next().unwrap() as usize % n);
            prop_assert_eq!(any, run(Some(&halving), 3, concurrency, |_| 0));
        }
    }

    #[test]
    fn a_third_of_each_rung_goes_on() {
        for synchronous in [false, true] {
            let halving = Halving::rows(0.1).with_synchronous(synchronous);
            let jobs = run(Some(&halving), 3, 2, |_| 0);
            let counts = (on(&jobs, 0), on(&jobs, 1), on(&jobs, 2));
            if synchronous {
                assert_eq!(counts, (27, 9, 3));
            } else {
                // Some were among the best third only until better ones came.
                assert!(counts.0 == 27 && counts.1 >= 9 && counts.2 >= 3 && counts.1 < 18, "{counts:?}");
            }
            let first_promotion = jobs.iter().position(|job| job.rung == 1).unwrap();
            assert_eq!(first_promotion >= 27, synchronous, "promoted after {first_promotion} jobs");
        }
        assert_eq!(on(&run(None, 1, 3, |_| 0), 0), 27, "each trial once if nothing is halved");
    }

    #[test]
    fn brackets_start_higher() {
        let jobs = run(Some(&Halving::rows(0.1).with_brackets(3)), 3, 2, |_| 0);
        let starts = |rung: usize| {
            let first = |trial: usize| jobs.iter().find(|job| job.trial == trial).unwrap().rung;
            (0..27).filter(|trial| first(*trial) == rung).count()
        };
        assert!(starts(0) > starts(1) && starts(1) > starts(2) && starts(2) > 0, "{jobs:?}");
    }

    #[test]
    fn what_failed_goes_nowhere() {
        let (space, halving) = (space(), Halving::rows(0.1));
        let mut schedule = Schedule::new(&space, Sampler::Random, Some(&halving), 3, 9, 7, 1);
        let mut jobs = 0;
        loop {
            match schedule.next() {
                Next::Job(job) => schedule.record(job, f64::NAN),
                Next::Idle => {}
                Next::Done => break,
            }
            jobs += 1;
        }
        assert_eq!(jobs, 9, "no trial was promoted");
    }
}
