// Threads that follow an individual together reach every shuffle together; the analysis cannot see it.
diagnostic(off, subgroup_uniformity);

