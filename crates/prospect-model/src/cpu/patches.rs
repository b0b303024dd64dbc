//! Copies pixels to rows of patches, and hidden states of patches to rows of the connector.

/// Copies the pixels of a patch from a tile `[3, height, width]` to `row`, `[3 * side * side]`, in the
/// order of a convolution's weights.
pub(super) fn patch_pixels(tile: &[f32], width: usize, side: usize, patch: usize, row: &mut [f32]) {
    let (columns, plane) = (width / side, tile.len() / 3);
    let (y, x) = (patch / columns * side, patch % columns * side);
    for (line, pixels) in row.chunks_exact_mut(side).enumerate() {
        let (channel, line) = (line / side, line % side);
        let start = channel * plane + (y + line) * width + x;
        pixels.copy_from_slice(&tile[start..start + side]);
    }
}

/// Pixel shuffle: copies a square of `scale` x `scale` patches, line by line, from the hidden states of
/// a tile, `[side^2, hidden]`.
pub(super) fn square_of_patches(tile: &[f32], hidden: usize, scale: usize, square: usize, row: &mut [f32]) {
    let side = (tile.len() / hidden).isqrt();
    let columns = side / scale;
    let (y, x) = (square / columns * scale, square % columns * scale);
    for (line, patches) in row.chunks_exact_mut(scale * hidden).enumerate() {
        let start = ((y + line) * side + x) * hidden;
        patches.copy_from_slice(&tile[start..start + scale * hidden]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_read_line_by_line_and_channel_by_channel() {
        // Two patches of 2 x 2 beside each other.
        let tile: Vec<f32> = (0..24).map(|value| value as f32).collect();
        let mut row = [0.0; 12];
        patch_pixels(&tile, 4, 2, 1, &mut row);
        assert_eq!(row, [2.0, 3.0, 6.0, 7.0, 10.0, 11.0, 14.0, 15.0, 18.0, 19.0, 22.0, 23.0]);
    }

    #[test]
    fn a_row_of_the_connector_is_a_square_of_patches() {
        // 4 x 4 patches with one feature each.
        let tile: Vec<f32> = (0..16).map(|value| value as f32).collect();
        let mut row = [0.0; 4];
        square_of_patches(&tile, 1, 2, 1, &mut row);
        assert_eq!(row, [2.0, 3.0, 6.0, 7.0]);
        square_of_patches(&tile, 1, 2, 2, &mut row);
        assert_eq!(row, [8.0, 9.0, 12.0, 13.0]);
    }
}
