//! The minimum-weight assignment of rows to columns, in which each row allows few columns.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Assigns every row a different column so that the sum of the costs is minimal. The method is shortest
/// augmenting paths with potentials (Jonker & Volgenant, 1987), over the allowed pairs alone: an hour of
/// video has thousands of columns, of which a reply may take a few dozen.
///
/// `rows` has, for each row, the allowed columns with their costs, which are finite and at least 0. A cost of
/// 0 is allowed like any other. The result is `None` if not every row can have a column. Equal inputs give
/// equal assignments.
pub fn assign(rows: &[Vec<(usize, f64)>]) -> Option<Vec<usize>> {
    let columns = rows.iter().flatten().map(|&(column, _)| column + 1).max().unwrap_or(0);
    let mut solver = Solver {
        rows,
        row_of: vec![None; columns],
        column_of: vec![None; rows.len()],
        row_potential: vec![0.0; rows.len()],
        column_potential: vec![0.0; columns],
        distance: vec![f64::INFINITY; columns],
        came_from: vec![0; columns],
        settled: vec![false; columns],
    };
    for row in 0..rows.len() {
        solver.augment(row)?;
    }
    solver.column_of.into_iter().collect()
}

struct Solver<'a> {
    rows: &'a [Vec<(usize, f64)>],
    /// For each column, the row that it is assigned to.
    row_of: Vec<Option<usize>>,
    /// For each row, its column.
    column_of: Vec<Option<usize>>,
    row_potential: Vec<f64>,
    column_potential: Vec<f64>,
    /// For each column, the reduced length of the shortest path from the new row; infinite if none was found.
    distance: Vec<f64>,
    /// For each column, the row before it on that path.
    came_from: Vec<usize>,
    settled: Vec<bool>,
}

impl Solver<'_> {
    /// Assigns a column to one more row, and moves other rows if that is cheaper.
    fn augment(&mut self, new_row: usize) -> Option<()> {
        let mut heap = BinaryHeap::new();
        let mut touched = Vec::new();
        let (mut row, mut travelled) = (new_row, 0.0);
        let free = loop {
            self.relax(row, travelled, &mut heap, &mut touched);
            let next = loop {
                let Candidate { distance, column } = heap.pop()?;
                if !self.settled[column] {
                    break Candidate { distance, column };
                }
            };
            self.settled[next.column] = true;
            travelled = next.distance;
            match self.row_of[next.column] {
                Some(taken_by) => row = taken_by,
                None => break next.column,
            }
        };
        self.update_potentials(new_row, travelled, &touched);
        self.flip(free);
        for column in touched {
            self.distance[column] = f64::INFINITY;
            self.settled[column] = false;
        }
        Some(())
    }

    fn relax(
        &mut self,
        row: usize,
        travelled: f64,
        heap: &mut BinaryHeap<Candidate>,
        touched: &mut Vec<usize>,
    ) {
        for &(column, cost) in &self.rows[row] {
            let reduced = cost - self.row_potential[row] - self.column_potential[column];
            // Rounding may leave a reduced cost a hair below zero, where it is zero.
            let distance = travelled + reduced.max(0.0);
            if self.settled[column] || distance >= self.distance[column] {
                continue;
            }
            if self.distance[column].is_infinite() {
                touched.push(column);
            }
            self.distance[column] = distance;
            self.came_from[column] = row;
            heap.push(Candidate { distance, column });
        }
    }

    /// Keeps every reduced cost at 0 or above, and at 0 along the path.
    fn update_potentials(&mut self, new_row: usize, length: f64, touched: &[usize]) {
        self.row_potential[new_row] += length;
        for &column in touched {
            if !self.settled[column] {
                continue;
            }
            let slack = length - self.distance[column];
            self.column_potential[column] -= slack;
            if let Some(row) = self.row_of[column] {
                self.row_potential[row] += slack;
            }
        }
    }

    /// Assigns to every row on the path the column after it.
    fn flip(&mut self, free: usize) {
        let mut next = Some(free);
        while let Some(column) = next {
            let row = self.came_from[column];
            self.row_of[column] = Some(row);
            next = self.column_of[row].replace(column);
        }
    }
}

/// A column on the frontier. The greatest element of the heap is the nearest column; of equal columns, the
/// first.
#[derive(Debug, PartialEq)]
struct Candidate {
    distance: f64,
    column: usize,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        other.distance.total_cmp(&self.distance).then(other.column.cmp(&self.column))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The least cost by trying every assignment.
    fn exhaustive(rows: &[Vec<(usize, f64)>], taken: &mut Vec<usize>) -> Option<f64> {
        let Some(row) = rows.get(taken.len()) else { return Some(0.0) };
        let mut best: Option<f64> = None;
        for &(column, cost) in row {
            if taken.contains(&column) {
                continue;
            }
            taken.push(column);
            let rest = exhaustive(rows, taken);
            taken.pop();
            best = rest.map(|rest| best.map_or(rest + cost, |best| best.min(rest + cost))).or(best);
        }
        best
    }

    fn total(rows: &[Vec<(usize, f64)>], assigned: &[usize]) -> f64 {
        let cost = |(row, column): (&Vec<(usize, f64)>, &usize)| {
            row.iter().find(|pair| pair.0 == *column).unwrap().1
        };
        rows.iter().zip(assigned).map(cost).sum()
    }

    #[test]
    fn no_rows_need_nothing_and_two_rows_cannot_share() {
        assert_eq!(assign(&[]), Some(vec![]));
        assert_eq!(assign(&[vec![(3, 0.0)]]), Some(vec![3]));
        assert_eq!(assign(&[vec![(0, 0.5)], vec![(0, 0.1)]]), None);
        assert_eq!(assign(&[vec![]]), None);
    }

    proptest! {
        #[test]
        fn no_assignment_is_cheaper(
            costs in prop::collection::vec(prop::collection::btree_map(0usize..6, 0u8..12, 0..5), 0..6),
        ) {
            let rows: Vec<Vec<(usize, f64)>> = costs
                .iter()
                .map(|row| row.iter().map(|(&column, &cost)| (column, f64::from(cost) / 8.0)).collect())
                .collect();
            let assigned = assign(&rows);
            prop_assert_eq!(assigned.is_some(), exhaustive(&rows, &mut Vec::new()).is_some());
            if let Some(assigned) = assigned {
                let mut columns = assigned.clone();
                columns.sort_unstable();
                columns.dedup();
                prop_assert_eq!(columns.len(), rows.len());
                let best = exhaustive(&rows, &mut Vec::new()).unwrap();
                prop_assert!((total(&rows, &assigned) - best).abs() < 1e-9);
            }
        }
    }
}
