"""The supervisor keeps the listener alive: `machine` decides, `runner` carries out, `inbox` lies between."""
