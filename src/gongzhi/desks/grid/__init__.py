"""Grid work 网格: what a grid worker writes down once, so that every agency can use it. First the houses of the grid."""
