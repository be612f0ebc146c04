"""The words of SpotLab as types. Domain floor: knows no AWS, no store and no screen."""
