use std::collections::BTreeMap;

use mlops_core::{Error, Result};

/// Answers to queries: each query ranks its items by score, and each item has a relevance. What search
/// and recommendation are judged by.
///
/// Relevance is graded for [`dcg`](Self::dcg) and [`ndcg`](Self::ndcg); for the others an item is
/// relevant if it is above 0. Where scores are equal, DCG takes the mean over all orders of the tie,
/// and the others the worst place of it, as scikit-learn does. Each value is the mean over the queries
/// by their weight; it costs a sort for each query.
///
/// # Example
/// ```
/// use mlops_train::metrics::Rankings;
///
/// let queries = ["shoes", "shoes", "shoes", "hats", "hats"];
/// let relevance = [3.0, 0.0, 1.0, 0.0, 1.0];
/// let scores = [0.9, 0.5, 0.1, 0.7, 0.3];
/// let rankings = Rankings::by_query(&queries, &relevance, &scores)?;
/// assert_eq!(rankings.mean_reciprocal_rank(), 0.75);
/// assert!((rankings.mean_average_precision() - (5.0 / 6.0 + 0.5) / 2.0).abs() < 1e-15);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rankings {
    queries: Vec<Query>,
}

#[derive(Clone, Debug, PartialEq)]
struct Query {
    weight: f64,
    /// Relevance and score, the greatest score first.
    items: Vec<(f64, f64)>,
}

impl Rankings {
    /// Of items with the query that each belongs to.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) without items, for different lengths, a
    /// relevance that is negative or not finite, or a score that is NaN.
    pub fn by_query<Q: Ord>(queries: &[Q], relevance: &[f64], scores: &[f64]) -> Result<Self> {
        if queries.len() != relevance.len() || relevance.len() != scores.len() {
            return Err(Error::data(format!(
                "{} queries, {} relevances and {} scores: one of each is needed for every item",
                queries.len(),
                relevance.len(),
                scores.len()
            )));
        }
        let mut lists: BTreeMap<&Q, Vec<(f64, f64)>> = BTreeMap::new();
        for (query, item) in queries.iter().zip(relevance.iter().copied().zip(scores.iter().copied())) {
            lists.entry(query).or_default().push(item);
        }
        Self::new(lists.into_values())
    }

    /// Of lists that are all `width` items long, one after another.
    ///
    /// # Errors
    /// As [`Self::by_query`].
    pub fn of_rows(width: usize, relevance: &[f64], scores: &[f64]) -> Result<Self> {
        if width == 0 || relevance.len() != scores.len() || !relevance.len().is_multiple_of(width) {
            return Err(Error::data(format!(
                "{} relevances and {} scores are not lists of {width}",
                relevance.len(),
                scores.len()
            )));
        }
        let list = |(relevance, scores): (&[f64], &[f64])| {
            relevance.iter().copied().zip(scores.iter().copied()).collect::<Vec<_>>()
        };
        Self::new(relevance.chunks_exact(width).zip(scores.chunks_exact(width)).map(list))
    }

    fn new(lists: impl Iterator<Item = Vec<(f64, f64)>>) -> Result<Self> {
        let query = |mut items: Vec<(f64, f64)>| {
            if let Some((relevance, score)) = items.iter().find(|(r, s)| !(r.is_finite() && *r >= 0.0) || s.is_nan()) {
                return Err(Error::data(format!(
                    "an item has relevance {relevance} and score {score}: a relevance is at least 0, and neither is NaN"
                )));
            }
            items.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(b.0.total_cmp(&a.0)));
            Ok(Query { weight: 1.0, items })
        };
        let queries: Vec<Query> = lists.map(query).collect::<Result<_>>()?;
        if queries.is_empty() {
            return Err(Error::data("no items: rankings of at least one query are needed"));
        }
        Ok(Self { queries })
    }

    /// With a weight for each query, in ascending order of the queries or in that of the rows.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if there are more or fewer, one is negative or
    /// not finite, or all are 0.
    pub fn with_weights(mut self, weights: &[f64]) -> Result<Self> {
        let fits = weights.iter().all(|w| w.is_finite() && *w >= 0.0) && weights.iter().any(|w| *w > 0.0);
        if weights.len() != self.queries.len() || !fits {
            return Err(Error::data("weights must be finite, at least 0, not all 0, and one for each query"));
        }
        self.queries.iter_mut().zip(weights).for_each(|(query, weight)| query.weight = *weight);
        Ok(self)
    }

    /// How many queries there are.
    pub fn num_queries(&self) -> usize {
        self.queries.len()
    }

    /// The discounted cumulative gain of the first `k` items, or of all: an item counts by its
    /// relevance over log₂(1 + place).
    pub fn dcg(&self, k: Option<usize>) -> f64 {
        self.mean(|query| query.dcg(k))
    }

    /// [`Self::dcg`] as a share of the best possible order's; 0 where nothing is relevant.
    pub fn ndcg(&self, k: Option<usize>) -> f64 {
        self.mean(|query| {
            let mut best = query.clone();
            best.items.iter_mut().for_each(|(relevance, score)| *score = *relevance);
            best.items.sort_unstable_by(|a, b| b.1.total_cmp(&a.1));
            let best = best.dcg(k);
            if best > 0.0 { query.dcg(k) / best } else { 0.0 }
        })
    }

    /// The mean over the queries of the [average precision](super::AveragePrecision); 0 where nothing
    /// is relevant.
    pub fn mean_average_precision(&self) -> f64 {
        self.mean(|query| {
            let (mut relevant, mut seen, mut sum) = (0.0, 0.0, 0.0);
            for tie in query.ties() {
                let hits = hits(tie);
                relevant += hits;
                seen += tie.len() as f64;
                sum += hits * relevant / seen;
            }
            if relevant > 0.0 { sum / relevant } else { 0.0 }
        })
    }

    /// The mean over the queries of one over the place of the first relevant item; 0 where nothing is
    /// relevant.
    pub fn mean_reciprocal_rank(&self) -> f64 {
        self.mean(|query| {
            let mut place = 0.0;
            for tie in query.ties() {
                place += tie.len() as f64;
                if hits(tie) > 0.0 {
                    return 1.0 / place;
                }
            }
            0.0
        })
    }

    /// The mean over the relevant items of the share of relevant ones among those ranked at least as
    /// high; 1 where all or no items are relevant.
    pub fn label_ranking_average_precision(&self) -> f64 {
        self.mean(|query| {
            let all = hits(&query.items);
            if all == 0.0 || all == query.items.len() as f64 {
                return 1.0;
            }
            let (mut relevant, mut seen, mut sum) = (0.0, 0.0, 0.0);
            for tie in query.ties() {
                relevant += hits(tie);
                seen += tie.len() as f64;
                sum += hits(tie) * relevant / seen;
            }
            sum / all
        })
    }

    /// The share of pairs of a relevant and an irrelevant item that are ordered wrongly, ties counting
    /// as wrong; 0 where all or no items are relevant.
    pub fn label_ranking_loss(&self) -> f64 {
        self.mean(|query| {
            let all = hits(&query.items);
            let others = query.items.len() as f64 - all;
            if all == 0.0 || others == 0.0 {
                return 0.0;
            }
            let (mut irrelevant, mut wrong) = (0.0, 0.0);
            for tie in query.ties() {
                irrelevant += tie.len() as f64 - hits(tie);
                wrong += hits(tie) * irrelevant;
            }
            wrong / (all * others)
        })
    }

    /// How far down a list one has to go, on average, to have seen all that is relevant.
    pub fn coverage_error(&self) -> f64 {
        self.mean(|query| {
            let (mut seen, mut needed) = (0.0, 0.0);
            for tie in query.ties() {
                seen += tie.len() as f64;
                if hits(tie) > 0.0 {
                    needed = seen;
                }
            }
            needed
        })
    }

    fn mean(&self, value: impl Fn(&Query) -> f64) -> f64 {
        let counted = || self.queries.iter().filter(|query| query.weight > 0.0);
        let sum: f64 = counted().map(|query| query.weight * value(query)).sum();
        sum / counted().map(|query| query.weight).sum::<f64>()
    }
}

impl Query {
    /// Items of equal score together, the greatest first.
    fn ties(&self) -> impl Iterator<Item = &[(f64, f64)]> {
        self.items.chunk_by(|a, b| a.1 == b.1)
    }

    fn dcg(&self, k: Option<usize>) -> f64 {
        let k = k.unwrap_or(self.items.len());
        let discount = |place: usize| if place < k { 1.0 / (place as f64 + 2.0).log2() } else { 0.0 };
        let mut place = 0;
        let mut gain = 0.0;
        for tie in self.ties() {
            let relevance: f64 = tie.iter().map(|(relevance, _)| relevance).sum();
            let discounts: f64 = (place..place + tie.len()).map(discount).sum();
            gain += relevance / tie.len() as f64 * discounts;
            place += tie.len();
        }
        gain
    }
}

fn hits(items: &[(f64, f64)]) -> f64 {
    items.iter().filter(|(relevance, _)| *relevance > 0.0).count() as f64
}
