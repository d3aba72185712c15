"""The gate for CI: is this source tree slower, costlier or less accurate than another? Free of torch but for `instrument`."""
