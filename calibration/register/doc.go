// Package register is what happens to stored certificates within a store's transaction: a version is opened, numbered evidence enters
// it, units are taken in, and what other rows reach from then on begins anew. What evidence does to one certificate is
// calibration/certificate's; where the states lie is the store's, which is a [Tx] here.
package register
