//! Convex hull of scan positions: the area that a scan has covered evenly.

/// Convex polygon; a point or a line segment if the positions span no area.
pub(super) struct ConvexHull(Vec<[f64; 2]>);

/// Twice the signed area of a triangle; positive if it turns left.
fn turn([a, b]: [[f64; 2]; 2], c: [f64; 2]) -> f64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

impl ConvexHull {
    /// Hull of finite positions \[x, y\], by Andrew's monotone chain.
    pub(super) fn of(positions: &[[f64; 2]]) -> Self {
        let mut sorted = positions.to_vec();
        sorted.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
        sorted.dedup();
        let half = |points: &mut dyn Iterator<Item = [f64; 2]>| {
            let mut chain: Vec<[f64; 2]> = Vec::new();
            for point in points {
                while let [.., a, b] = chain[..] {
                    if turn([a, b], point) > 0.0 {
                        break;
                    }
                    chain.pop();
                }
                chain.push(point);
            }
            chain.pop();
            chain
        };
        let lower = half(&mut sorted.iter().copied());
        let upper = half(&mut sorted.iter().rev().copied());
        Self([lower, upper].concat())
    }

    /// True if the point lies in the hull or on its edge; of a hull without area, any point: its bounding box decides then.
    pub(super) fn contains(&self, point: [f64; 2]) -> bool {
        if self.0.len() < 3 {
            return true;
        }
        let corners = self.0.iter().zip(self.0.iter().cycle().skip(1));
        corners.map(|(a, b)| turn([*a, *b], point)).all(|turn| turn >= 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_triangle_contains_its_center_and_not_the_corner_of_its_box() {
        let hull = ConvexHull::of(&[[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [2.0, 2.0], [5.0, 0.0]]);
        assert_eq!(hull.0.len(), 3);
        assert!(hull.contains([3.0, 3.0]) && hull.contains([5.0, 5.0]) && hull.contains([0.0, 0.0]));
        assert!(!hull.contains([9.0, 9.0]) && !hull.contains([-0.1, 3.0]));
    }

    #[test]
    fn two_corners_leave_everything_to_their_box() {
        assert!(ConvexHull::of(&[[5.0, 4.0], [44.0, 36.0]]).contains([44.0, 4.0]));
    }

    #[test]
    fn a_grid_contains_its_whole_box() {
        let grid: Vec<[f64; 2]> = (0..25).map(|i| [f64::from(i % 5), f64::from(i / 5)]).collect();
        let hull = ConvexHull::of(&grid);
        assert!((0..=8).all(|i| (0..=8).all(|j| hull.contains([f64::from(i) / 2.0, f64::from(j) / 2.0]))));
    }
}
