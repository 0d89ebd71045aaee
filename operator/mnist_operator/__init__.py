"""The MnistTraining operator: one manifest becomes KubeRay objects, and its status stays true."""
