//! Decimates a line to the resolution of the screen without losing peaks.

/// Keeps the first, lowest, highest and last point of each of `columns` equal intervals of x; drops non-finite points.
///
/// `points` are (x, y), x ascending. A line through the result looks identical when drawn `columns` pixels wide. Up to
/// `2 · columns` points are returned unchanged.
pub fn decimate(points: &[[f64; 2]], columns: usize) -> Vec<[f64; 2]> {
    let finite = |point: &&[f64; 2]| point[0].is_finite() && point[1].is_finite();
    let columns = columns.max(1);
    if points.len() <= 2 * columns {
        return points.iter().filter(finite).copied().collect();
    }
    let mut ends = points.iter().filter(finite);
    let Some(first) = ends.next() else { return Vec::new() };
    let last = ends.next_back().unwrap_or(first);
    let width = (last[0] - first[0]) / columns as f64;
    if width <= 0.0 {
        return vec![*first, *last];
    }
    let mut kept = Vec::with_capacity(4 * columns);
    let mut column: Option<(usize, [[f64; 2]; 4])> = None;
    for point in points.iter().filter(finite) {
        let index = (((point[0] - first[0]) / width) as usize).min(columns - 1);
        match &mut column {
            Some((current, [_, low, high, end])) if *current == index => {
                if point[1] < low[1] {
                    *low = *point;
                }
                if point[1] > high[1] {
                    *high = *point;
                }
                *end = *point;
            }
            _ => {
                if let Some((_, column)) = column.take() {
                    flush(column, &mut kept);
                }
                column = Some((index, [*point; 4]));
            }
        }
    }
    if let Some((_, column)) = column {
        flush(column, &mut kept);
    }
    kept
}

/// Appends the points of a column, ordered by x, without duplicates.
fn flush([begin, low, high, end]: [[f64; 2]; 4], into: &mut Vec<[f64; 2]>) {
    let (a, b) = if low[0] <= high[0] { (low, high) } else { (high, low) };
    for point in [begin, a, b, end] {
        if into.last() != Some(&point) {
            into.push(point);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_ends_and_order_are_kept_and_the_count_is_bounded() {
        let mut points: Vec<[f64; 2]> = (0..100_000).map(|i| [f64::from(i), (f64::from(i) * 0.01).sin()]).collect();
        points[54_321][1] = 40.0;
        points[12_345][1] = -40.0;
        points[777][1] = f64::NAN;
        let few = decimate(&points, 500);
        assert!(few.len() <= 2000, "{}", few.len());
        assert!(few.contains(&[54_321.0, 40.0]) && few.contains(&[12_345.0, -40.0]));
        assert_eq!((few.first(), few.last()), (points.first(), points.last()));
        assert!(few.windows(2).all(|pair| pair[0][0] <= pair[1][0]));
        assert!(few.iter().all(|point| point[1].is_finite()));
    }

    #[test]
    fn few_points_are_returned_unchanged() {
        let points = [[0.0, 1.0], [1.0, f64::INFINITY], [2.0, 3.0]];
        assert_eq!(decimate(&points, 100), [[0.0, 1.0], [2.0, 3.0]]);
        assert!(decimate(&[], 10).is_empty());
        assert!(decimate(&[[f64::NAN, 0.0]; 50], 3).is_empty());
        assert_eq!(decimate(&[[1.0, 2.0]; 50], 3).len(), 2);
    }
}
